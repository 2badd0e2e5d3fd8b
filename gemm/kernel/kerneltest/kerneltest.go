// Package kerneltest helps to test what is built on package kernel: it runs tests at
// every level of kernels, makes random operands, and multiplies by definition.
package kerneltest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kenserve/gemm/kernel"
)

// EachLevel runs a test at every level of kernels. It skips levels that this machine or
// build does not support.
func EachLevel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for l := kernel.Portable; l <= kernel.AVX512; l++ {
		t.Run(l.String(), func(t *testing.T) {
			if !slices.Contains(kernel.SupportedLevels(), l) {
				t.Skipf("this processor or build has no %s kernels", l)
			}
			AtLevel(l, func() { f(t) })
		})
	}
}

// AtLevel runs f with the kernels of a level.
func AtLevel(l kernel.Level, f func()) {
	defer kernel.UseLevel(kernel.UseLevel(l))
	f()
}

// Random returns n normally distributed values.
func Random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// RandomView returns a view of normally distributed values. NaNs surround them, so that
// a read outside the view spoils the result.
func RandomView(r *rand.Rand, rows, cols, stride int) kernel.View {
	v := kernel.View{Data: make([]float32, rows*stride+7), Rows: rows, Cols: cols, Stride: stride}
	for i := range v.Data {
		v.Data[i] = float32(math.NaN())
	}
	for i := range rows {
		copy(v.Row(i), Random(r, cols))
	}
	return v
}

// RowMajor returns the view of a matrix without space between its rows.
func RowMajor(w []float32, rows, cols int) kernel.View {
	return kernel.View{Data: w, Rows: rows, Cols: cols, Stride: cols}
}

// Product returns A·Bᵀ by definition, in float64, and for each element the sum of the
// magnitudes of its terms, which scales the error bound.
func Product(a, b kernel.View) (c, magnitude []float64) {
	for i := range a.Rows {
		for j := range b.Rows {
			x, w := a.Row(i), b.Row(j)
			var sum, abs float64
			for k := range x {
				p := float64(x[k]) * float64(w[k])
				sum += p
				abs += math.Abs(p)
			}
			c, magnitude = append(c, sum), append(magnitude, abs)
		}
	}
	return c, magnitude
}

// SumBound returns the textbook error bound of a float32 sum of k products: k+1
// roundings of at most half a unit each. magnitude is the sum of the magnitudes.
func SumBound(k int, magnitude float64) float64 {
	return float64(k+1)*0x1p-24*magnitude + 1e-30
}

// GELU is x·Φ(x).
func GELU(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 }

// GELUTanh is the approximation of GELU by tanh.
func GELUTanh(x float64) float64 {
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}
