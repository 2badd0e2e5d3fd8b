package nn

import (
	"fmt"
	"math"

	"kenserve/gemm/kernel"
)

// SoftmaxBackward replaces dp, the gradient of the probabilities p = softmax(scale·x), by that
// of x, row by row:
//
//	dx = scale · p ∘ (dp - Σ p·dp)
func SoftmaxBackward(dp, p kernel.View, scale float32) {
	dp.Check("gradient of softmax")
	p.Check("softmax")
	if dp.Rows != p.Rows || dp.Cols != p.Cols {
		panic(fmt.Sprintf("nn: softmax [%d,%d] with a gradient [%d,%d]", p.Rows, p.Cols, dp.Rows, dp.Cols))
	}
	for i := range dp.Rows {
		kernel.SoftmaxBackward(dp.Row(i), p.Row(i), scale)
	}
}

// Backward multiplies dy, the gradient of the activations of x, by the derivatives at x.
func (a Activation) Backward(dy, x []float32) {
	if len(dy) != len(x) {
		panic(fmt.Sprintf("nn: %d activations with %d gradients", len(x), len(dy)))
	}
	switch a {
	case ReLU:
		for i, v := range x {
			if !(v > 0) { // as in PyTorch, also at 0
				dy[i] = 0
			}
		}
	case GELU:
		kernel.GELUBackward(dy, x)
	case GELUTanh:
		kernel.GELUTanhBackward(dy, x)
	case Tanh:
		kernel.TanhBackward(dy, x)
	}
}

// RowStats are the mean of a row and the inverse of its deviation, as layer norm uses them.
type RowStats = [2]float32

// Stats returns the mean of x and 1/√(variance + eps), in float64.
func Stats(x []float32, eps float32) RowStats {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	sum = 0
	for _, v := range x {
		d := float64(v) - mean
		sum += float64(d * d)
	}
	return RowStats{float32(mean), float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))}
}

// LayerNormBackward computes the gradient of the input of a layer norm from dy, that of its
// output, row by row:
//
//	dx = (g - mean(g) - x̂·mean(g·x̂)) · inverse,  g = dy ∘ gamma,  x̂ = (x - mean) · inverse
//
// It adds to dx if add is true. stats receives the statistics of each row of x, for
// [LayerNormParameters].
func LayerNormBackward(dx, dy, x kernel.View, gamma []float32, eps float32, stats []RowStats, add bool) {
	dx.Check("gradient of a layer norm's input")
	dy.Check("gradient of a layer norm")
	x.Check("input of a layer norm")
	if dx.Rows != x.Rows || dy.Rows != x.Rows || dx.Cols != x.Cols || dy.Cols != x.Cols || len(gamma) != x.Cols || len(stats) != x.Rows {
		panic(fmt.Sprintf("nn: layer norm [%d,%d] with gradients [%d,%d] and [%d,%d], %d gammas and %d statistics",
			x.Rows, x.Cols, dy.Rows, dy.Cols, dx.Rows, dx.Cols, len(gamma), len(stats)))
	}
	for i := range x.Rows {
		stats[i][0], stats[i][1] = kernel.LayerNormBackward(dx.Row(i), dy.Row(i), x.Row(i), gamma, eps, add)
	}
}

// LayerNormParameters adds the gradients of a layer norm's gamma:
//
//	gamma += Σ dy ∘ x̂
//
// over the rows in rising order, with the statistics that LayerNormBackward gave.
func LayerNormParameters(gamma []float32, dy, x kernel.View, stats []RowStats) {
	if dy.Rows != len(stats) || x.Rows != len(stats) || dy.Cols != len(gamma) || x.Cols != len(gamma) {
		panic(fmt.Sprintf("nn: gradients of %d gammas from [%d,%d], [%d,%d] and %d statistics", len(gamma), dy.Rows, dy.Cols, x.Rows, x.Cols, len(stats)))
	}
	kernel.LayerNormParameters(gamma, dy, x, stats)
}

// Add adds x to dst. Both are equally long.
func Add(dst, x []float32) { kernel.Add(dst, dst, x[:len(dst)]) }

// ColumnSums adds the rows of x to sums, in rising order.
func ColumnSums(sums []float32, x kernel.View) {
	if len(sums) != x.Cols {
		panic(fmt.Sprintf("nn: sums of %d columns in %d values", x.Cols, len(sums)))
	}
	kernel.ColumnSums(sums, x)
}

// AdamWStep are the numbers of an update by AdamW.
type AdamWStep = kernel.AdamWStep

// AdamW updates values x, with gradients g and the moments m and v, as PyTorch's AdamW does:
//
//	g = Scale·g,  m += First·(g - m),  v = Beta2·v + Second·g²,
//	x = Keep·x - Step·m / (√v/Correction + Eps)
//
// All are equally long; other lengths panic. Each operation is rounded to float32, except
// that products and sums may be fused. The result of a value does not depend on its place.
func AdamW(x, m, v, g []float32, s *AdamWStep) {
	if len(m) != len(x) || len(v) != len(x) || len(g) != len(x) {
		panic(fmt.Sprintf("nn: update of %d values with %d, %d and %d moments and gradients", len(x), len(m), len(v), len(g)))
	}
	kernel.AdamW(x, m, v, g, s)
}
