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

// Linear returns x·wᵀ + b for x [sequences, inputs], w [outputs, inputs] and b [1, outputs];
// b may be nil.
func Linear(x, w, b mat.Tensor) mat.Tensor {
	return ag.NewOperator(&linear{x, w, b}).Run()
}

type linear struct{ x, w, b mat.Tensor }

func (l *linear) Operands() []mat.Tensor {
	if l.b == nil {
		return []mat.Tensor{l.x, l.w}
	}
	return []mat.Tensor{l.x, l.w, l.b}
}

func (l *linear) Forward() (mat.Tensor, error) {
	x, w := view(l.x), view(l.w)
	y := gemm.View{Data: make([]float32, x.Rows*w.Rows), Rows: x.Rows, Cols: w.Rows, Stride: w.Rows}
	nn.ProductTransposed(y, x, w, 1, new(nn.Scratch))
	if l.b != nil {
		bias := view(l.b).Row(0)
		for i := range y.Rows {
			for j, v := range y.Row(i) {
				y.Data[i*y.Stride+j] = v + bias[j]
			}
		}
	}
	return Constant(y.Data, y.Rows, y.Cols), nil
}

func (l *linear) Backward(gy mat.Tensor) error {
	g, x, w := view(gy), view(l.x), view(l.w)
	scratch := new(nn.Scratch)
	if l.x.RequiresGrad() {
		dx := gemm.View{Data: make([]float32, x.Rows*x.Cols), Rows: x.Rows, Cols: x.Cols, Stride: x.Cols}
		nn.Product(dx, g, w, scratch)
		l.x.AccGrad(Constant(dx.Data, dx.Rows, dx.Cols))
	}
	if l.w.RequiresGrad() {
		dw := gemm.View{Data: make([]float32, w.Rows*w.Cols), Rows: w.Rows, Cols: w.Cols, Stride: w.Cols}
		nn.Product(dw, transposed(g), x, scratch)
		l.w.AccGrad(Constant(dw.Data, dw.Rows, dw.Cols))
	}
	if l.b != nil && l.b.RequiresGrad() {
		db := make([]float32, g.Cols)
		for i := range g.Rows {
			for j, v := range g.Row(i) {
				db[j] += v
			}
		}
		l.b.AccGrad(Constant(db, 1, len(db)))
	}
	return nil
}

func transposed(v gemm.View) gemm.View {
	t := gemm.View{Data: make([]float32, v.Rows*v.Cols), Rows: v.Cols, Cols: v.Rows, Stride: v.Rows}
	for i := range v.Rows {
		for j, x := range v.Row(i) {
			t.Data[j*t.Stride+i] = x
		}
	}
	return t
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

// affine is x·gamma + beta in every row; beta may be nil.
type affine struct{ x, gamma, beta mat.Tensor }

func (a *affine) Operands() []mat.Tensor {
	if a.beta == nil {
		return []mat.Tensor{a.x, a.gamma}
	}
	return []mat.Tensor{a.x, a.gamma, a.beta}
}

func (a *affine) Forward() (mat.Tensor, error) {
	x, gamma := view(a.x), view(a.gamma).Row(0)
	y := make([]float32, len(x.Data))
	for i, v := range x.Data {
		y[i] = v * gamma[i%x.Cols]
	}
	if a.beta != nil {
		beta := view(a.beta).Row(0)
		for i := range y {
			y[i] += beta[i%x.Cols]
		}
	}
	return Constant(y, x.Rows, x.Cols), nil
}

func (a *affine) Backward(gy mat.Tensor) error {
	x, gamma, g := view(a.x), view(a.gamma).Row(0), view(gy)
	dx, dGamma, dBeta := make([]float32, len(x.Data)), make([]float32, x.Cols), make([]float32, x.Cols)
	for i, v := range g.Data {
		j := i % x.Cols
		dx[i] = v * gamma[j]
		dGamma[j] += v * x.Data[i]
		dBeta[j] += v
	}
	a.x.AccGrad(Constant(dx, x.Rows, x.Cols))
	if a.gamma.RequiresGrad() {
		a.gamma.AccGrad(Constant(dGamma, 1, x.Cols))
	}
	if a.beta != nil && a.beta.RequiresGrad() {
		a.beta.AccGrad(Constant(dBeta, 1, x.Cols))
	}
	return nil
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
