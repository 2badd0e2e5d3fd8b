package grad

import (
	"kenserve/gemm"
	"kenserve/nn"
)

// norm is a layer norm.
type norm struct {
	x, out      *Value
	gamma, beta string // beta is "" for zeros
	eps         float32
}

// Norm returns the layer norm of the rows of x. beta is "" if there is none.
func (t *Tape) Norm(x *Value, gamma, beta string, eps float32) *Value {
	n := &norm{x: x, gamma: gamma, beta: beta, eps: eps}
	n.out = t.New(n, x.Rows, x.Cols)
	n.out.constant = x.constant && t.parameter(gamma).mode == frozen && (beta == "" || t.parameter(beta).mode == frozen)
	t.Record(n, n.out)
	t.MayForget(n.out)
	return n.out
}

// LayerNorm returns the layer norm with name.weight and name.bias.
func (t *Tape) LayerNorm(x *Value, name string, eps float32) *Value {
	return t.Norm(x, name+".weight", name+".bias", eps)
}

// Forward implements Op.
func (n *norm) Forward(t *Tape) {
	x, y := t.Need(n.x), n.out.View
	gamma, beta := t.Vector(n.gamma), t.Vector(n.beta)
	if beta == nil {
		beta = make([]float32, len(gamma))
	}
	t.Rows(x, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			copy(y.Row(r), x.Row(r))
		}
		nn.LayerNorm(y.Slice(r0, r1, 0, y.Cols), gamma, beta, n.eps)
	})
}

// Backward implements Op.
func (n *norm) Backward(t *Tape) {
	x, dy := t.Need(n.x), t.Grad(n.out)
	stats := make([]nn.RowStats, x.Rows)
	if n.x.constant {
		for r := range stats {
			stats[r] = nn.Stats(x.Row(r), n.eps)
		}
	} else {
		dx, add := t.into(n.x)
		gamma := t.Vector(n.gamma)
		t.Rows(x, func(r0, r1 int) {
			part := func(v gemm.View) gemm.View { return v.Slice(r0, r1, 0, v.Cols) }
			nn.LayerNormBackward(part(dx), part(dy), part(x), gamma, n.eps, stats[r0:r1], add)
		})
	}
	t.AddVector(n.gamma, func(gamma []float32) {
		t.rows(x.Cols, columnBlock, x.Rows, func(c0, c1, _ int) {
			nn.LayerNormParameters(gamma[c0:c1], dy.Slice(0, dy.Rows, c0, c1), x.Slice(0, x.Rows, c0, c1), stats)
		})
	})
	t.AddVector(n.beta, func(beta []float32) { t.ColumnSums(beta, dy) })
}

// activation is an element-wise function.
type activation struct {
	x, out *Value
	f      nn.Activation
}

// Activate returns f of every element of x.
func (t *Tape) Activate(x *Value, f nn.Activation) *Value {
	out := t.ActivateKept(x, f)
	t.MayForget(out)
	return out
}

// ActivateKept is Activate with a result that an in-place operation may change.
func (t *Tape) ActivateKept(x *Value, f nn.Activation) *Value {
	a := &activation{x: x, f: f}
	a.out = t.New(a, x.Rows, x.Cols)
	a.out.constant = x.constant
	t.Record(a, a.out)
	return a.out
}

// Forward implements Op.
func (a *activation) Forward(t *Tape) {
	x, y := t.Need(a.x), a.out.View
	t.Rows(x, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			copy(y.Row(r), x.Row(r))
		}
		a.f.Apply(y.Slice(r0, r1, 0, y.Cols))
	})
}

// Backward implements Op. The gradient of the result becomes that of x, unless x has one
// already.
func (a *activation) Backward(t *Tape) {
	x, dy := t.Need(a.x), t.Grad(a.out)
	if a.x.constant {
		return
	}
	steal := a.x.whole == nil && a.x.grad.Data == nil
	var dx gemm.View
	if !steal {
		dx = t.Grad(a.x)
	}
	t.Rows(x, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			a.f.Backward(dy.Row(r), x.Row(r))
			if !steal {
				nn.Add(dx.Row(r), dy.Row(r))
			}
		}
	})
	if steal {
		a.x.grad, a.out.grad = dy, gemm.View{}
	}
}

// addition is y += x, in place.
type addition struct{ y, x *Value }

// AddTo adds x to y, whose contents no later operation needs as they were. It returns y.
func (t *Tape) AddTo(y, x *Value) *Value {
	if y.forgetting || y.whole != nil {
		panic("grad: in-place addition to a value that may be computed again")
	}
	y.constant = y.constant && x.constant
	t.Record(&addition{y, x}, nil)
	return y
}

// Forward implements Op.
func (a *addition) Forward(t *Tape) {
	x, y := t.Need(a.x), a.y.View
	t.Rows(x, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			nn.Add(y.Row(r), x.Row(r))
		}
	})
}

// Backward implements Op.
func (a *addition) Backward(t *Tape) {
	t.passOn(a.x, t.Grad(a.y))
}

// passOn adds dy to the gradient of x.
func (t *Tape) passOn(x *Value, dy gemm.View) {
	if x.constant {
		return
	}
	dx, add := t.into(x)
	t.Rows(dy, func(r0, r1 int) {
		for r := r0; r < r1; r++ {
			if add {
				nn.Add(dx.Row(r), dy.Row(r))
			} else {
				copy(dx.Row(r), dy.Row(r))
			}
		}
	})
}

// selection are some rows of a value.
type selection struct {
	x, out *Value
	rows   []int
}

// selectRows returns the given rows of x, which are all different.
func (t *Tape) selectRows(x *Value, rows []int) *Value {
	s := &selection{x: x, rows: rows}
	s.out = t.New(s, len(rows), x.Cols)
	s.out.constant = x.constant
	t.Record(s, s.out)
	return s.out
}

// FirstRows returns the first row of each sequence in x.
func (t *Tape) FirstRows(x *Value, ends []int) *Value {
	rows := make([]int, len(ends))
	for i := range rows[1:] {
		rows[i+1] = ends[i]
	}
	return t.selectRows(x, rows)
}

// LastRows returns the last row of each sequence in x.
func (t *Tape) LastRows(x *Value, ends []int) *Value {
	rows := make([]int, len(ends))
	for i, end := range ends {
		rows[i] = end - 1
	}
	return t.selectRows(x, rows)
}

// Forward implements Op.
func (s *selection) Forward(t *Tape) {
	x := t.Need(s.x)
	for i, r := range s.rows {
		copy(s.out.Row(i), x.Row(r))
	}
}

// Backward implements Op.
func (s *selection) Backward(t *Tape) {
	if s.x.constant {
		return
	}
	dx, dy := t.Grad(s.x), t.Grad(s.out)
	for i, r := range s.rows {
		nn.Add(dx.Row(r), dy.Row(i))
	}
}
