package tape

import (
	"math"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/gemm"
)

// LogSoftmax returns the logarithm of the softmax of every row.
func LogSoftmax(x mat.Tensor) mat.Tensor {
	return ag.NewOperator(&pointwise{
		x: x,
		forward: func(y, x gemm.View) {
			for i := range x.Rows {
				row := x.Row(i)
				top := math.Inf(-1)
				for _, v := range row {
					top = max(top, float64(v))
				}
				sum := 0.0
				for _, v := range row {
					sum += math.Exp(float64(v) - top)
				}
				log := top + math.Log(sum)
				for j, v := range row {
					y.Data[i*y.Stride+j] = float32(float64(v) - log)
				}
			}
		},
		backward: func(dx, dy, _, y gemm.View) {
			// dx = dy − softmax(x)·Σ dy
			for i := range y.Rows {
				sum := 0.0
				for _, g := range dy.Row(i) {
					sum += float64(g)
				}
				for j, log := range y.Row(i) {
					dx.Data[i*dx.Stride+j] = float32(float64(dy.Row(i)[j]) - sum*math.Exp(float64(log)))
				}
			}
		},
	}).Run()
}

// Normalise returns the layer norm of every row, with gamma and beta [1, columns].
func Normalise(x, gamma, beta mat.Tensor, eps float32) mat.Tensor {
	normal := ag.NewOperator(&pointwise{
		x: x,
		forward: func(y, x gemm.View) {
			for i := range x.Rows {
				mean, inverse := moments(x.Row(i), eps)
				for j, v := range x.Row(i) {
					y.Data[i*y.Stride+j] = float32((float64(v) - mean) * inverse)
				}
			}
		},
		backward: func(dx, dy, x, y gemm.View) {
			// dx = (dy − mean(dy) − y·mean(dy·y)) / σ
			for i := range x.Rows {
				_, inverse := moments(x.Row(i), eps)
				g, n := dy.Row(i), float64(x.Cols)
				mean, projection := 0.0, 0.0
				for j, v := range y.Row(i) {
					mean += float64(g[j]) / n
					projection += float64(g[j]) * float64(v) / n
				}
				for j, v := range y.Row(i) {
					dx.Data[i*dx.Stride+j] = float32((float64(g[j]) - mean - float64(v)*projection) * inverse)
				}
			}
		},
	}).Run()
	return ag.NewOperator(&affine{normal, gamma, beta}).Run()
}

// moments returns the mean of a row and 1/√(variance + eps).
func moments(row []float32, eps float32) (mean, inverse float64) {
	for _, v := range row {
		mean += float64(v) / float64(len(row))
	}
	variance := 0.0
	for _, v := range row {
		d := float64(v) - mean
		variance += d * d / float64(len(row))
	}
	return mean, 1 / math.Sqrt(variance+float64(eps))
}

// Unit returns every row divided by its Euclidean length.
func Unit(x mat.Tensor) mat.Tensor {
	const floor = 1e-12 // of the square of the length
	inverse := func(row []float32) float64 {
		sum := 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		return 1 / math.Sqrt(max(sum, floor))
	}
	return ag.NewOperator(&pointwise{
		x: x,
		forward: func(y, x gemm.View) {
			for i := range x.Rows {
				s := inverse(x.Row(i))
				for j, v := range x.Row(i) {
					y.Data[i*y.Stride+j] = float32(float64(v) * s)
				}
			}
		},
		backward: func(dx, dy, x, y gemm.View) {
			// dx = (dy − y·(y·dy)) / |x|
			for i := range x.Rows {
				s, projection := inverse(x.Row(i)), 0.0
				for j, v := range y.Row(i) {
					projection += float64(v) * float64(dy.Row(i)[j])
				}
				for j, v := range y.Row(i) {
					dx.Data[i*dx.Stride+j] = float32((float64(dy.Row(i)[j]) - float64(v)*projection) * s)
				}
			}
		},
	}).Run()
}
