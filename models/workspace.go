package models

import (
	"fmt"
	"unsafe"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/nn"
)

// Workspace is what a forward pass needs beside weights and input: buffers,
// which grow to the largest batch seen and are then reused, and the pool whose
// cores it may use. It serves one forward pass at a time.
type Workspace struct {
	// Between, if not nil, is called between the steps of a forward pass, on
	// its goroutine. It may take its time, and may run a forward pass on another
	// workspace.
	Between func()

	pool *parallel.Pool

	// Views are cut from the arena in order. What does not fit is allocated
	// apart, and the next Reset makes the arena large enough.
	arena []float32
	used  int // values handed out since Reset, arena or not

	attention attention
	norm      layerNorm
	ends      []int
	states    []any // of State
}

// NewWorkspace returns a workspace without buffers. The pool may be nil, for a
// forward pass on the calling goroutine alone.
func NewWorkspace(pool *parallel.Pool) *Workspace {
	return &Workspace{pool: pool}
}

// Bytes returns the memory that the workspace holds.
func (w *Workspace) Bytes() int64 {
	return 4*int64(len(w.arena)) + int64(len(w.attention.scratch))*int64(unsafe.Sizeof(nn.Scratch{}))
}

// Run performs a step; see parallel.Pool.Run. The pool's workers take part if share
// is true, which is worth it from a few microseconds of work: between the steps
// of a forward pass they are awake.
func (w *Workspace) Run(parts int, work parallel.Work, share bool) {
	w.betweenSteps()
	if !share {
		for i := range parts {
			work.Do(i, 0)
		}
		return
	}
	w.pool.Run(parts, work)
}

// step begins a step of a forward pass.
func (w *Workspace) betweenSteps() {
	if w.Between != nil {
		w.Between()
	}
}

// Width returns the number of goroutines that may share the parts of a Run.
func (w *Workspace) Width() int { return w.pool.Width() }

// State returns the workspace's one T, which is zero at first and keeps its
// value between forward passes: what a family's own step needs to run without
// allocating, such as the step itself.
func State[T any](w *Workspace) *T {
	for _, s := range w.states {
		if t, ok := s.(*T); ok {
			return t
		}
	}
	t := new(T)
	w.states = append(w.states, t)
	return t
}

// Start checks a batch and the room for its logits [sequences, labels], and
// takes back all views. A network calls it first.
func (w *Workspace) Start(b *Batch, l Limits, logits []float32, labels int) error {
	if err := b.Check(l); err != nil {
		return err
	}
	if want := len(b.Ends) * labels; len(logits) != want {
		return fmt.Errorf("models: room for %d logits, want %d for %d sequences of %d labels", len(logits), want, len(b.Ends), labels)
	}
	w.Reset()
	return nil
}

// Reset takes back all views.
func (w *Workspace) Reset() {
	if w.used > len(w.arena) {
		w.arena = make([]float32, w.used)
	}
	w.used = 0
}

// View returns a buffer for activations, valid until the next Reset. Its
// contents are undefined and its stride suits the kernels.
func (w *Workspace) View(rows, cols int) gemm.View {
	stride := gemm.Stride(cols)
	return gemm.View{Data: w.Floats(rows * stride), Rows: rows, Cols: cols, Stride: stride}
}

// Floats returns a buffer of n values, valid until the next Reset, with
// undefined contents.
func (w *Workspace) Floats(n int) []float32 {
	n = (n + 15) &^ 15 // whole cache lines
	start := w.used
	w.used += n
	if w.used > len(w.arena) {
		return make([]float32, n)
	}
	return w.arena[start:w.used:w.used]
}

// Dense computes c = activation(a·Weightᵀ + Bias) + residual; a zero residual
// stands for none.
func (w *Workspace) Dense(c, a gemm.View, d Dense, act nn.Activation, residual gemm.View) {
	w.betweenSteps()
	e := gemm.Epilogue{Bias: d.Bias, Activation: act, Residual: residual}
	if d.next != nil {
		e.Next = *d.next
	}
	d.Weight.Mul(w.pool, c, a, e)
}

// First returns the first row of every sequence of x.
func (w *Workspace) FirstRows(x gemm.View, ends []int) gemm.View {
	f := w.View(len(ends), x.Cols)
	start := 0
	for i, end := range ends {
		copy(f.Row(i), x.Row(start))
		start = end
	}
	return f
}

// Last returns the last row of every sequence of x.
func (w *Workspace) LastRows(x gemm.View, ends []int) gemm.View {
	l := w.View(len(ends), x.Cols)
	for i, end := range ends {
		copy(l.Row(i), x.Row(end-1))
	}
	return l
}

// Singles returns the ends of n sequences of one token: 1 to n.
func (w *Workspace) OneTokenEnds(n int) []int {
	w.ends = w.ends[:0]
	for i := range n {
		w.ends = append(w.ends, i+1)
	}
	return w.ends
}

// SharedValues is the number of values below which sharing an element-wise step
// costs more than it gains.
const SharedValues = 1 << 12

// layerNorm is the work of Workspace.Norm. A part is normRows rows.
type layerNorm struct {
	dst, x gemm.View
	n      Norm
}

const normRows = 16

func (l *layerNorm) Do(part, _ int) {
	r0 := part * normRows
	r1 := min(r0+normRows, l.x.Rows)
	if l.dst.Data != nil {
		for i := r0; i < r1; i++ {
			copy(l.dst.Row(i), l.x.Row(i))
		}
		nn.LayerNorm(l.dst.Slice(r0, r1, 0, l.x.Cols), l.n.Gamma, l.n.Beta, l.n.Eps)
		return
	}
	nn.LayerNorm(l.x.Slice(r0, r1, 0, l.x.Cols), l.n.Gamma, l.n.Beta, l.n.Eps)
}

// Norm applies a layer norm to every row of x.
func (w *Workspace) Norm(x gemm.View, n Norm) { w.runNorm(layerNorm{x: x, n: n}) }

// NormTo writes the layer norms of the rows of x to dst, which is as large.
func (w *Workspace) NormTo(dst, x gemm.View, n Norm) { w.runNorm(layerNorm{dst, x, n}) }

func (w *Workspace) runNorm(l layerNorm) {
	w.norm = l
	w.Run((l.x.Rows+normRows-1)/normRows, &w.norm, l.x.Rows*l.x.Cols >= SharedValues)
}
