package models

import (
	"fmt"
	"unsafe"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/nn"
)

// Workspace holds what a forward pass needs besides weights and input: buffers
// and the pool whose cores it may use. The buffers grow to the largest batch and
// are then reused. A workspace serves one forward pass at a time.
type Workspace struct {
	// Between, if not nil, is called between the steps of a forward pass, on
	// its goroutine. It may take long, and may run a forward pass on another
	// workspace.
	Between func()

	pool *parallel.Pool

	// Views are slices of the arena, in order. A view that does not fit is
	// allocated separately, and the next Reset enlarges the arena.
	arena []float32
	used  int // values handed out since Reset, in the arena or not
	most  int // the largest value of used since Reset

	segments  segments
	attention attention
	norm      layerNorm
	ends      []int
	states    []any // values of State, each a *T
}

// NewWorkspace returns a workspace without buffers. If pool is nil, a forward
// pass uses only the calling goroutine.
func NewWorkspace(pool *parallel.Pool) *Workspace {
	return &Workspace{pool: pool}
}

// Bytes returns the size of the workspace in bytes.
func (w *Workspace) Bytes() int64 {
	return 4*int64(len(w.arena)) + int64(len(w.attention.slots))*int64(unsafe.Sizeof(attentionSlot{}))
}

// Run performs a step; see parallel.Pool.Run. If share is true, the pool's workers
// take part. Sharing pays off from a few microseconds of work, because the
// workers are awake between the steps of a forward pass.
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

// betweenSteps is called before each step of a forward pass.
func (w *Workspace) betweenSteps() {
	if w.Between != nil {
		w.Between()
	}
}

// Width returns the number of goroutines that can share the parts of a Run.
func (w *Workspace) Width() int { return w.pool.Width() }

// State returns the workspace's only value of type T. It is zero at first and
// keeps its value between forward passes. A family uses it to run its own steps
// without allocation.
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

// Start checks a batch and the length of logits, and calls Reset and Divide. A network
// calls it first.
func (w *Workspace) Start(n Network, b *Batch, l Limits, logits []float32) error {
	if err := b.Check(l); err != nil {
		return err
	}
	want, err := w.segments.start(n, b)
	if err != nil {
		return err
	}
	if len(logits) != want {
		return fmt.Errorf("models: logits has length %d, want %d for %d sequences", len(logits), want, len(b.Ends))
	}
	w.Reset()
	w.Divide(b.Ends)
	return nil
}

// Reset makes all views invalid, so that their memory can be reused.
func (w *Workspace) Reset() {
	if w.most > len(w.arena) {
		w.arena = make([]float32, w.most)
	}
	w.used, w.most = 0, 0
}

// View returns a buffer for activations, valid until the next Reset. Its
// contents are undefined. Its stride suits the kernels.
func (w *Workspace) View(rows, cols int) gemm.View {
	stride := gemm.Stride(cols)
	return gemm.View{Data: w.Floats(rows * stride), Rows: rows, Cols: cols, Stride: stride}
}

// Floats returns a buffer of at least n values, valid until the next Reset. Its
// contents are undefined.
func (w *Workspace) Floats(n int) []float32 {
	n = (n + 15) &^ 15 // whole cache lines
	start := w.used
	w.used += n
	w.most = max(w.most, w.used)
	if w.used > len(w.arena) {
		return make([]float32, n)
	}
	return w.arena[start:w.used:w.used]
}

// Dense computes c = activation(a·Weightᵀ + bias) + residual, with the weight and bias
// of each row's task. The zero View means no residual.
func (w *Workspace) Dense(c, a gemm.View, d Dense, act nn.Activation, residual gemm.View) {
	w.betweenSteps()
	segments, changed := w.segments.dense(d)
	e := gemm.Epilogue{Activation: act, Residual: residual, Next: *d.next}
	used := w.used
	if changed {
		e.Scratch = w.Floats(gemm.ScratchLen(c.Rows, c.Cols, residual.Data != nil))
	}
	gemm.MulSegments(w.pool, c, a, segments, e)
	w.used = used
}

// FirstRows returns a copy of the first row of each sequence in x.
func (w *Workspace) FirstRows(x gemm.View, ends []int) gemm.View {
	f := w.View(len(ends), x.Cols)
	start := 0
	for i, end := range ends {
		copy(f.Row(i), x.Row(start))
		start = end
	}
	return f
}

// LastRows returns a copy of the last row of each sequence in x.
func (w *Workspace) LastRows(x gemm.View, ends []int) gemm.View {
	l := w.View(len(ends), x.Cols)
	for i, end := range ends {
		copy(l.Row(i), x.Row(end-1))
	}
	return l
}

// OneTokenEnds returns the ends of n sequences with one token each: 1 to n.
func (w *Workspace) OneTokenEnds(n int) []int {
	w.ends = w.ends[:0]
	for i := range n {
		w.ends = append(w.ends, i+1)
	}
	return w.ends
}

// SharedValues is the number of values from which sharing an element-wise step
// among cores is faster.
const SharedValues = 1 << 12

// layerNorm is the work of Workspace.Norm. A part has normRows rows. If dst is
// the zero View, the result replaces x.
type layerNorm struct {
	dst, x   gemm.View
	n        Norm
	segments *segments
}

const normRows = 16

// Do implements parallel.Work.
func (l *layerNorm) Do(part, _ int) {
	r0 := part * normRows
	r1 := min(r0+normRows, l.x.Rows)
	x := l.x
	if l.dst.Data != nil {
		x = l.dst
		for i := r0; i < r1; i++ {
			copy(x.Row(i), l.x.Row(i))
		}
	}
	for s := l.segments.of(r0); r0 < r1; s++ {
		n, end := &l.segments.list[s].weights.norms[l.n.slot], min(r1, l.segments.list[s].end)
		nn.LayerNorm(x.Slice(r0, end, 0, x.Cols), n.gamma, n.beta, n.eps)
		r0 = end
	}
}

// Norm applies a layer norm to each row of x, in place.
func (w *Workspace) Norm(x gemm.View, n Norm) { w.runNorm(layerNorm{x: x, n: n}) }

// NormTo writes the layer norm of each row of x to dst, which has the same size.
func (w *Workspace) NormTo(dst, x gemm.View, n Norm) { w.runNorm(layerNorm{dst: dst, x: x, n: n}) }

func (w *Workspace) runNorm(l layerNorm) {
	l.segments = &w.segments
	w.norm = l
	w.Run((l.x.Rows+normRows-1)/normRows, &w.norm, l.x.Rows*l.x.Cols >= SharedValues)
}
