package grad

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// dense is out = x·Wᵀ + bias + residual.
type dense struct {
	x, out       *Value
	weight, bias *Parameter // bias is nil if there is none
	residual     *Value     // or nil

	// activated, if not nil, gets f of the result in the same pass.
	activated *Value
	f         nn.Activation
}

// Dense returns x·Wᵀ + bias for the parameters with the given names. bias is "" for none.
func (t *Tape) Dense(x *Value, weight, bias string) *Value {
	d := t.dense(x, weight, bias)
	t.Record(d, d.out)
	return d.out
}

// dense returns the operation of a dense layer, before it is recorded.
func (t *Tape) dense(x *Value, weight, bias string) *dense {
	d := &dense{x: x, weight: t.parameter(weight)}
	if t.lastWeight != nil {
		t.lastWeight.next = d.weight
	}
	t.lastWeight = d.weight
	constant := x.constant && d.weight.mode == frozen
	if bias != "" {
		d.bias = t.parameter(bias)
		constant = constant && d.bias.mode == frozen
	}
	d.out = t.New(d, x.Rows, d.weight.matrix.N())
	d.out.constant = constant
	return d
}

// LayerActivated returns f of the dense layer with name.weight and name.bias.
func (t *Tape) LayerActivated(x *Value, name string, f nn.Activation) *Value {
	d := t.dense(x, name+".weight", name+".bias")
	a := &activation{x: d.out, f: f}
	a.out = t.New(a, d.out.Rows, d.out.Cols)
	a.out.constant = d.out.constant
	d.activated, d.f = a.out, f
	t.Record(d, d.out)
	d.activated = nil
	t.steps = append(t.steps, step{a, a.out})
	t.MayForget(a.out)
	return a.out
}

// LayerAdd returns the sum of residual and the dense layer with name.weight and name.bias. If
// ends is not nil, elements of the layer's result are dropped first; see Dropout.
func (t *Tape) LayerAdd(x *Value, name string, residual *Value, ends []int) *Value {
	return t.DenseAdd(x, name+".weight", name+".bias", residual, ends)
}

// DenseAdd is LayerAdd for parameters with the given names. bias is "" for none.
func (t *Tape) DenseAdd(x *Value, weight, bias string, residual *Value, ends []int) *Value {
	drops := ends != nil && t.mode.Train && t.options.Dropout.Hidden > 0
	if drops {
		return t.AddTo(t.Dropout(t.Dense(x, weight, bias), ends), residual)
	}
	if ends != nil {
		t.site++ // places have the same numbers whether or not they drop
	}
	d := t.dense(x, weight, bias)
	d.residual = residual
	d.out.constant = d.out.constant && residual.constant
	t.Record(d, d.out)
	return d.out
}

// Layer returns the dense layer with name.weight and name.bias.
func (t *Tape) Layer(x *Value, name string) *Value { return t.Dense(x, name+".weight", name+".bias") }

// Forward implements Op.
func (d *dense) Forward(t *Tape) {
	e := gemm.Epilogue{}
	if d.bias != nil {
		e.Bias = d.bias.vector
	}
	m := d.weight.matrix
	if d.weight.rounded != nil {
		m = d.weight.rounded
	}
	if next := d.weight.next; next != nil {
		e.Next = next.matrix // ignored unless it is float32
	}
	x, out := t.Need(d.x), d.out.View
	if d.residual != nil {
		e.Residual = t.Need(d.residual)
	}
	if d.activated != nil {
		e.Activation, e.Before, out = d.f, out, d.activated.View
	}
	m.Mul(t.pool, out, x, e)
}

// Backward implements Op.
func (d *dense) Backward(t *Tape) {
	dy := t.Grad(d.out)
	if d.residual != nil {
		t.passOn(d.residual, dy)
	}
	d.parameters(t, dy)
	if d.x.constant {
		return
	}
	dx, add := t.into(d.x)
	d.weight.matrix.MulTransposed(t.pool, dx, dy, add, t.options.Compute)
}

// parameters adds the gradients of weight and bias.
func (d *dense) parameters(t *Tape, dy gemm.View) {
	w := d.weight
	var bias []float32 // summed by AddGradient
	if d.bias != nil && d.bias.mode == full && w.mode == full && d.bias.fresh == w.fresh {
		bias = d.bias.Grad
	}
	switch w.mode {
	case full:
		w.matrix.AddGradient(t.pool, w.Grad, bias, dy, t.transposedInput(d.x), w.fresh, t.options.Compute)
		w.fresh = false
		if bias != nil {
			d.bias.fresh = false
		}
	case sparse:
		if len(w.kept) > 0 {
			x, f := t.input(d.x)
			w.matrix.AddSparseGradient(t.pool, w.Grad, w.kept, dy, x, f, w.fresh)
		}
		w.fresh = false
	}
	if d.bias != nil && bias == nil {
		t.AddVector(d.bias.Name, func(dst []float32) { t.ColumnSums(dst, dy) })
	}
}

// transposedInput returns the transpose of x. Layers with the same input share it.
func (t *Tape) transposedInput(x *Value) *gemm.Transposed {
	if t.transposedOf != x {
		v, f := t.input(x)
		t.transposed.ResetActivated(t.pool, v, f)
		t.transposedOf = x
	}
	return &t.transposed
}

// input returns x as a function of values that are there: of itself, or, if it was forgotten,
// of what it is an activation of.
func (t *Tape) input(x *Value) (gemm.View, nn.Activation) {
	if a, ok := x.producer.(*activation); ok && x.Data == nil {
		return t.Need(a.x), a.f
	}
	return t.Need(x), nn.Identity
}

// Lookup is a term of an embedding: the rows of a table, one per token.
type Lookup struct {
	Table string
	Rows  []int32
}

// embedding is the sum of lookups.
type embedding struct {
	terms  []Lookup
	tables []*Parameter
	out    *Value
}

// Embed returns the sum of the rows that the terms look up. It adds them in the given order.
func (t *Tape) Embed(terms ...Lookup) *Value {
	e := &embedding{terms: terms}
	constant := true
	for _, l := range terms {
		p := t.parameter(l.Table)
		if t.mode.Train {
			p.AddRows(l.Rows)
		}
		constant = constant && p.mode == frozen
		e.tables = append(e.tables, p)
	}
	e.out = t.New(e, len(terms[0].Rows), e.tables[0].width())
	e.out.constant = constant
	t.Record(e, e.out)
	return e.out
}

// Forward implements Op.
func (e *embedding) Forward(t *Tape) {
	x := e.out.View
	t.rows(x.Rows, 8, x.Cols, func(r0, r1, _ int) {
		term := make([]float32, x.Cols)
		for r := r0; r < r1; r++ {
			e.tables[0].row(e.terms[0].Rows[r], x.Row(r))
			for i, p := range e.tables[1:] {
				p.row(e.terms[i+1].Rows[r], term)
				models.Add(x.Row(r), term)
			}
		}
	})
}

// Backward implements Op.
func (e *embedding) Backward(t *Tape) {
	dy := t.Grad(e.out)
	for i, p := range e.tables {
		if p.mode == frozen {
			continue
		}
		p.begin()
		for r, row := range e.terms[i].Rows {
			p.addRow(row, dy.Row(r))
		}
	}
}
