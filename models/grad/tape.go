package grad

import (
	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/nn"
)

// Value is a matrix of activations, of which rows are tokens or sequences, and its gradient.
type Value struct {
	gemm.View           // zero while it is forgotten; an operation calls Tape.Need first
	grad      gemm.View // zero until something was added
	whole     *Value    // of which this one is some columns; or nil
	column    int       // first column in whole

	producer   Op   // which computes it again after it was forgotten
	forgetting bool // it may be forgotten
	constant   bool // no gradient is needed
}

// Op is a recorded operation.
type Op interface {
	// Forward computes the result. Results that can be forgotten are computed twice, to
	// the same bits.
	Forward(t *Tape)
	// Backward adds the gradients of the inputs and parameters.
	Backward(t *Tape)
}

// Tape records the operations of a forward pass.
type Tape struct {
	pool       *parallel.Pool
	parameters map[string]*Parameter
	options    Options
	mode       Mode
	memory     memory

	steps      []step
	forgetting []*Value // that may be forgotten, and are not yet
	site       uint64   // number of dropouts so far
	ends       []int    // ends of the batch's sequences

	lastWeight *Parameter // of the last product

	transposed   gemm.Transposed // of the inputs of a dense layer
	transposedOf *Value          // the inputs that transposed holds
	scratch      []scratch       // by slot
}

// step is an operation and the value that it made. In-place operations made none.
type step struct {
	op  Op
	out *Value
}

// New returns a value with arbitrary contents that op makes.
func (t *Tape) New(op Op, rows, cols int) *Value {
	v := &Value{View: t.memory.view(rows, cols), producer: op}
	return v
}

// Record runs the forward part of an operation and records it. out is the value that it
// makes, or nil.
func (t *Tape) Record(op Op, out *Value) {
	op.Forward(t)
	t.steps = append(t.steps, step{op, out})
}

// MayForget says that v is cheap to compute again. It is forgotten at the end of the layer
// that uses it.
func (t *Tape) MayForget(v *Value) {
	if t.mode.Train {
		v.forgetting = true
		t.forgetting = append(t.forgetting, v)
	}
}

// Need makes v's contents available. Operations call it before they read.
func (t *Tape) Need(v *Value) gemm.View {
	if v.whole != nil {
		w := t.Need(v.whole)
		return w.Slice(0, w.Rows, v.column, v.column+v.Cols)
	}
	if v.Data == nil && v.Rows > 0 {
		v.View = t.memory.view(v.Rows, v.Cols)
		v.producer.Forward(t)
		if v.forgetting {
			t.forgetting = append(t.forgetting, v)
		}
	}
	return v.View
}

// forget frees the values that may be forgotten, except one.
func (t *Tape) forget(except *Value) {
	kept := t.forgetting[:0]
	for _, v := range t.forgetting {
		if v == except {
			kept = append(kept, v)
			continue
		}
		t.drop(v)
	}
	t.forgetting = kept
}

// drop frees the contents of v.
func (t *Tape) drop(v *Value) {
	if v.whole != nil || v.Data == nil {
		return
	}
	if t.transposedOf == v {
		t.transposedOf = nil
	}
	t.memory.free(v.View)
	v.Data = nil
}

// Columns returns columns c0 to c1-1 of v. It shares contents and gradient with v.
func (v *Value) Columns(c0, c1 int) *Value {
	if v.whole != nil {
		return v.whole.Columns(v.column+c0, v.column+c1)
	}
	return &Value{View: gemm.View{Rows: v.Rows, Cols: c1 - c0}, whole: v, column: c0, constant: v.constant}
}

// Grad returns the gradient of v. If nothing was added to it, it is zero.
func (t *Tape) Grad(v *Value) gemm.View {
	if v.whole != nil {
		g := t.Grad(v.whole)
		return g.Slice(0, g.Rows, v.column, v.column+v.Cols)
	}
	if v.grad.Data == nil {
		v.grad = t.memory.view(v.Rows, v.Cols)
		clear(v.grad.Data)
	}
	return v.grad
}

// into returns the memory for v's gradient, and whether to add to it or to overwrite it.
func (t *Tape) into(v *Value) (g gemm.View, add bool) {
	if v.whole != nil {
		return t.Grad(v), true
	}
	if v.grad.Data != nil {
		return v.grad, true
	}
	v.grad = t.memory.view(v.Rows, v.Cols)
	return v.grad, false
}

// parameter returns the parameter with the given name.
func (t *Tape) parameter(name string) *Parameter {
	p := t.parameters[name]
	if p == nil {
		panic("grad: the trace uses a parameter that its architecture does not list: " + name)
	}
	return p
}

// Vector returns the present values of a bias, gamma or beta, or nil for the name "".
func (t *Tape) Vector(name string) []float32 {
	if name == "" {
		return nil
	}
	return t.parameter(name).vector
}

// AddVector adds to the gradient of a vector. sum adds its terms to dst, which is as long as
// the vector and holds the gradient so far, or zeros. It is not called for a frozen vector.
func (t *Tape) AddVector(name string, sum func(dst []float32)) {
	if name == "" {
		return
	}
	p := t.parameter(name)
	switch p.mode {
	case full:
		p.begin()
		sum(p.Grad)
	case sparse:
		p.begin()
		dst := make([]float32, p.elements())
		for i, x := range p.positions {
			dst[x] = p.Grad[i]
		}
		sum(dst)
		for i, x := range p.positions {
			p.Grad[i] = dst[x]
		}
	}
}

// rows runs f on blocks of rows. Blocks have step rows, whatever the number of workers. cost
// is the number of values of a row.
func (t *Tape) rows(rows, step, cost int, f func(r0, r1, slot int)) {
	p := t.pool
	if rows*cost < models.SharedValues {
		p = nil
	}
	p.Run((rows+step-1)/step, &rowWork{rows, step, f})
}

// Width returns the number of goroutines that can share a step.
func (t *Tape) Width() int { return t.pool.Width() }

// Parts runs f on all parts. work is the number of multiplications of all of them. slot is
// below Width, and differs among parts that run at the same time.
func (t *Tape) Parts(parts, work int, f func(part, slot int)) {
	p := t.pool
	if work < models.SharedScores {
		p = nil
	}
	p.Run(parts, partWork(f))
}

// partWork is the work of Tape.Parts.
type partWork func(part, slot int)

// Do implements parallel.Work.
func (f partWork) Do(part, slot int) { f(part, slot) }

// Rows runs f on blocks of eight rows.
func (t *Tape) Rows(v gemm.View, f func(r0, r1 int)) {
	t.rows(v.Rows, 8, v.Cols, func(r0, r1, _ int) { f(r0, r1) })
}

// rowWork is the work of Tape.rows.
type rowWork struct {
	rows, step int
	f          func(r0, r1, slot int)
}

// Do implements parallel.Work.
func (w *rowWork) Do(part, slot int) {
	w.f(part*w.step, min((part+1)*w.step, w.rows), slot)
}

// columnBlock is the number of columns of a part in sums over rows.
const columnBlock = 32

// ColumnSums adds the rows of x, in order, to sums.
func (t *Tape) ColumnSums(sums []float32, x gemm.View) {
	t.rows(x.Cols, columnBlock, x.Rows, func(c0, c1, _ int) {
		nn.ColumnSums(sums[c0:c1], x.Slice(0, x.Rows, c0, c1))
	})
}

// backward goes through the steps from the end on, and frees what they made.
func (t *Tape) backward(steps []step) {
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		if s.out == nil || s.out.grad.Data != nil {
			s.op.Backward(t)
		}
		if s.out != nil {
			t.release(s.out)
		}
	}
}

// release frees the contents and the gradient of v.
func (t *Tape) release(v *Value) {
	t.drop(v)
	v.forgetting = false
	if v.whole == nil && v.grad.Data != nil {
		t.memory.free(v.grad)
		v.grad = gemm.View{}
	}
}
