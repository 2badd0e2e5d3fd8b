// Package tape has the operators that heads and losses are made of, for the tape of package
// ag of spago: whole batches [sequences, values], in float32.
//
// The operators of spago work on single vectors. These work on a batch, multiply with the
// product's own kernels, and give the same bits on every run: no tensor gets gradients from
// more than two operators, so that the order in which ag adds them does not matter. spago
// ends the process if an operator fails, so callers check shapes before.
package tape

import (
	"math"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/gemm"
	"kenserve/nn"
)

// Constant returns a matrix [rows, columns] over data, which has no gradient.
func Constant(data []float32, rows, columns int) mat.Tensor {
	return mat.NewDense[float32](mat.WithShape(rows, columns), mat.WithBacking(data))
}

// Variable returns a matrix [rows, columns] over data, which gets a gradient.
func Variable(data []float32, rows, columns int) mat.Tensor {
	return mat.NewDense[float32](mat.WithShape(rows, columns), mat.WithBacking(data), mat.WithGrad(true))
}

// view returns the matrix of a tensor.
func view(t mat.Tensor) gemm.View {
	shape := t.Shape()
	return gemm.View{Data: mat.Data[float32](t.Value()), Rows: shape[0], Cols: shape[1], Stride: shape[1]}
}

// pointwise is an operator on one tensor whose result has the shape of its operand.
type pointwise struct {
	x mat.Tensor
	// forward writes y for x, both [rows, columns]; backward writes dx for dy.
	forward  func(y, x gemm.View)
	backward func(dx, dy, x, y gemm.View)

	y gemm.View
}

func (p *pointwise) Operands() []mat.Tensor { return []mat.Tensor{p.x} }

func (p *pointwise) Forward() (mat.Tensor, error) {
	x := view(p.x)
	p.y = gemm.View{Data: make([]float32, len(x.Data)), Rows: x.Rows, Cols: x.Cols, Stride: x.Stride}
	p.forward(p.y, x)
	return Constant(p.y.Data, x.Rows, x.Cols), nil
}

func (p *pointwise) Backward(gy mat.Tensor) error {
	if !p.x.RequiresGrad() {
		return nil
	}
	x := view(p.x)
	dx := gemm.View{Data: make([]float32, len(x.Data)), Rows: x.Rows, Cols: x.Cols, Stride: x.Stride}
	p.backward(dx, view(gy), x, p.y)
	p.x.AccGrad(Constant(dx.Data, dx.Rows, dx.Cols))
	return nil
}

// elementwise returns f(x) with the derivative df, which also gets y = f(x).
func elementwise(x mat.Tensor, f func(x float64) float64, df func(x, y float64) float64) mat.Tensor {
	return ag.NewOperator(&pointwise{
		x: x,
		forward: func(y, x gemm.View) {
			for i, v := range x.Data {
				y.Data[i] = float32(f(float64(v)))
			}
		},
		backward: func(dx, dy, x, y gemm.View) {
			for i, v := range x.Data {
				dx.Data[i] = dy.Data[i] * float32(df(float64(v), float64(y.Data[i])))
			}
		},
	}).Run()
}

// Activate returns the activation of x.
func Activate(x mat.Tensor, a nn.Activation) mat.Tensor {
	switch a {
	case nn.ReLU:
		return elementwise(x, func(x float64) float64 { return max(x, 0) }, func(x, _ float64) float64 {
			if x > 0 {
				return 1
			}
			return 0
		})
	case nn.Tanh:
		return elementwise(x, math.Tanh, func(_, y float64) float64 { return 1 - y*y })
	case nn.GELU:
		return elementwise(x, func(x float64) float64 { return x * normalCDF(x) }, func(x, _ float64) float64 {
			return normalCDF(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		})
	case nn.GELUTanh:
		return elementwise(x, func(x float64) float64 { return x / 2 * (1 + math.Tanh(inner(x))) }, func(x, _ float64) float64 {
			t := math.Tanh(inner(x))
			return (1+t)/2 + x/2*(1-t*t)*math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
		})
	}
	return x
}

// normalCDF is Φ.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// inner is the argument of the hyperbolic tangent in GELU's approximation.
func inner(x float64) float64 { return math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x) }

// LogSigmoid returns log σ(x) = −log(1 + e^−x), element by element.
func LogSigmoid(x mat.Tensor) mat.Tensor {
	return elementwise(x, func(x float64) float64 { return min(x, 0) - math.Log1p(math.Exp(-math.Abs(x))) }, func(x, _ float64) float64 {
		return 1 / (1 + math.Exp(x))
	})
}

// Weighted returns Σ c·x over all elements, a scalar, for constants c of x's shape. The sum is
// in float64.
func Weighted(x mat.Tensor, c []float32) mat.Tensor {
	return ag.NewOperator(&weighted{x, c}).Run()
}

type weighted struct {
	x mat.Tensor
	c []float32
}

func (w *weighted) Operands() []mat.Tensor { return []mat.Tensor{w.x} }

func (w *weighted) Forward() (mat.Tensor, error) {
	sum := 0.0
	for i, v := range mat.Data[float32](w.x.Value()) {
		sum += float64(v) * float64(w.c[i])
	}
	return mat.Scalar(float32(sum)), nil
}

func (w *weighted) Backward(gy mat.Tensor) error {
	g := float32(gy.Item().F64())
	dx := make([]float32, len(w.c))
	for i, c := range w.c {
		dx[i] = g * c
	}
	shape := w.x.Shape()
	w.x.AccGrad(Constant(dx, shape[0], shape[1]))
	return nil
}
