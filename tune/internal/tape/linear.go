package tape

import (
	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/gemm"
	"kenserve/nn"
)

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
