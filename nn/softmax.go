package nn

import "kenserve/gemm/kernel"

// Softmax replaces each row of x by exp(x - max) / Σ exp(x - max). An element of minus
// infinity becomes 0; each row must have a larger one. The relative error is at most
// 1e-6 + 2⁻²⁴·(max - x): the second term comes from rounding the difference. Results
// below 1e-37 may be 0.
func Softmax(x kernel.View) {
	x.Check("softmax")
	for i := range x.Rows {
		row := x.Row(i)
		kernel.Scale(row, 1/kernel.ExpSum(row))
	}
}

// ExpSum replaces x by exp(x - max), the numerators of its softmax, and returns their
// sum, the denominator. Bounds are as of [Softmax].
func ExpSum(x []float32) float32 { return kernel.ExpSum(x) }

// Scale multiplies all values of x by factor.
func Scale(x []float32, factor float32) { kernel.Scale(x, factor) }
