package models

import (
	"unsafe"

	"kenserve/gemm"
)

// Workspace is what a forward pass needs beside weights and input: buffers,
// which grow to the largest batch seen and are then reused, and the pool whose
// cores it may use. It serves one forward pass at a time.
type Workspace struct {
	pool *gemm.Pool

	// Views are cut from the arena in order. What does not fit is allocated
	// apart, and the next Reset makes the arena large enough.
	arena []float32
	used  int // values handed out since Reset, arena or not

	attention attention
	norm      layerNorm
	ends      []int
}

// NewWorkspace returns a workspace without buffers. The pool may be nil, for a
// forward pass on the calling goroutine alone.
func NewWorkspace(pool *gemm.Pool) *Workspace {
	return &Workspace{pool: pool}
}

// Bytes returns the memory that the workspace holds.
func (w *Workspace) Bytes() int64 {
	return 4*int64(len(w.arena)) + int64(len(w.attention.scratch))*int64(unsafe.Sizeof(gemm.Scratch{}))
}

// Reset takes back all views. A network calls it first.
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
	return gemm.View{Data: w.floats(rows * stride), Rows: rows, Cols: cols, Stride: stride}
}

func (w *Workspace) floats(n int) []float32 {
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
func (w *Workspace) Dense(c, a gemm.View, d Dense, act gemm.Activation, residual gemm.View) {
	d.Weight.Mul(w.pool, c, a, gemm.Epilogue{Bias: d.Bias, Activation: act, Residual: residual})
}

// First returns the first row of every sequence of x.
func (w *Workspace) First(x gemm.View, ends []int) gemm.View {
	f := w.View(len(ends), x.Cols)
	start := 0
	for i, end := range ends {
		copy(f.Row(i), x.Row(start))
		start = end
	}
	return f
}

// Singles returns the ends of n sequences of one token: 1 to n.
func (w *Workspace) Singles(n int) []int {
	w.ends = w.ends[:0]
	for i := range n {
		w.ends = append(w.ends, i+1)
	}
	return w.ends
}

// sharedValues is the number of values below which waking workers for an
// element-wise step costs more than it gains.
const sharedValues = 1 << 15

// layerNorm is the work of Workspace.Norm. A part is normRows rows.
type layerNorm struct {
	x gemm.View
	n Norm
}

const normRows = 16

func (l *layerNorm) Do(part, _ int) {
	r0 := part * normRows
	r1 := min(r0+normRows, l.x.Rows)
	gemm.LayerNorm(l.x.Slice(r0, r1, 0, l.x.Cols), l.n.Gamma, l.n.Beta, l.n.Eps)
}

// Norm applies a layer norm to every row of x.
func (w *Workspace) Norm(x gemm.View, n Norm) {
	if x.Rows*x.Cols < sharedValues {
		gemm.LayerNorm(x, n.Gamma, n.Beta, n.Eps)
		return
	}
	w.norm = layerNorm{x, n}
	w.pool.Run((x.Rows+normRows-1)/normRows, &w.norm)
}
