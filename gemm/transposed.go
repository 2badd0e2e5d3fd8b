package gemm

import (
	"fmt"
	"unsafe"

	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
)

// Values returns the weights of a Float32 matrix that is no overlay, in the order of
// panels (see the package comment): N·K values, and zeros for the columns that fill the
// last panel. It is the memory that products read. Training changes it; its owner then
// must not multiply at the same time, and must leave the filling at zero.
func (m *Matrix) Values() []float32 {
	if m.compute != Float32 || m.patch != nil {
		panic(fmt.Sprintf("gemm: values of a %s matrix, want a float32 matrix that is no overlay", m.compute))
	}
	return panelValues(m.panels)
}

// ValueIndex returns the index in Values of weight (i, j).
func (m *Matrix) ValueIndex(i, j int) int {
	return (i/panelWidth*m.k+j)*panelWidth + i%panelWidth
}

// ValuePosition returns the weight (i, j) that index x of Values holds. i is N or more for
// the filling of the last panel.
func (m *Matrix) ValuePosition(x int) (i, j int) {
	row := x / panelWidth
	return row/m.k*panelWidth + x%panelWidth, row % m.k
}

// panelValues returns the values of rows as one slice. It shares memory with them.
func panelValues(rows []panelRow) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(rows))), len(rows)*panelWidth)
}

// MulTransposed computes C[M,K] = A[M,N]·W[N,K], or C += A·W if add is true, on the pool:
// the gradient of a dense layer's input, where A is that of its output. C must not overlap
// A. Sizes that do not match panic, as do matrices that are no Float32 matrix, and overlays.
//
// Each panel of Wᵀ is made from those of W just before it is used for all rows of A. So
// there is no second copy of the weights. An element of C is one sum over N in rising order,
// which begins with zero or with C. If compute is BFloat16, both factors are rounded.
func (m *Matrix) MulTransposed(p *parallel.Pool, c, a View, add bool, compute Compute) {
	c.Check("product")
	a.Check("left factor")
	if a.Cols != m.n || c.Cols != m.k || c.Rows != a.Rows {
		panic(fmt.Sprintf("gemm: transposed product of wrong sizes: [%d,%d] = [%d,%d]·[%d,%d]", c.Rows, c.Cols, a.Rows, a.Cols, m.n, m.k))
	}
	if m.compute != Float32 || m.patch != nil {
		panic(fmt.Sprintf("gemm: transposed product with a %s matrix, want a float32 matrix that is no overlay", m.compute))
	}
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	panels := panelCount(m.k)
	w := transposedWork{m: m, c: c, add: add, a: floatFactor(a)}
	if compute == BFloat16 {
		act := lowPrecisionActs.take()
		defer lowPrecisionActs.release(act)
		w.a = roundedFactor(p, act, a)
	}
	w.groupRows, w.groups = rowGroups(p, a.Rows, panels)
	if a.Rows*m.n*m.k < sharedProducts {
		p = nil
	}
	shared := transposedWorks.take()
	*shared = w
	p.Run(panels*w.groups, shared)
	*shared = transposedWork{}
	transposedWorks.release(shared)
}

// transposedWork is one call of MulTransposed. A part is 32 columns of C by one group of
// rows.
type transposedWork struct {
	m         *Matrix
	c         View
	a         factor
	add       bool
	groupRows int // rows of a group, a multiple of kernel.ChunkRows
	groups    int
}

var transposedWorks freeList[transposedWork]

// Do performs one part.
func (w *transposedWork) Do(i, _ int) {
	panel, r0 := i/w.groups, i%w.groups*w.groupRows
	r1 := min(r0+w.groupRows, w.c.Rows)
	scratch := takeScratch(w.m.n)
	defer scratchPanels.release(scratch)
	rows := scratch.rows[:w.m.n]
	w.m.transposePanel(rows, panel)
	b, words := w.a.panel(rows)
	defer scratchPanels.release(words)

	c0 := panel * panelWidth
	c1 := min(c0+panelWidth, w.c.Cols)
	fetch := 0 // panels of W whose part of the next panel of Wᵀ is fetched already
	for chunks := (r1 - r0 + kernel.ChunkRows - 1) / kernel.ChunkRows; r0 < r1; r0 += kernel.ChunkRows {
		fetch += w.m.prefetchTransposed(panel+1, fetch, (panelCount(w.m.n)+chunks-1)/chunks)
		end := min(r0+kernel.ChunkRows, r1)
		w.a.addProduct(w.c.Slice(r0, end, c0, c1), r0, b, w.add)
	}
}

// prefetchTransposed fetches what some panels of W, from first on, have for panel i of Wᵀ,
// and returns the number of panels of W.
func (m *Matrix) prefetchTransposed(i, first, count int) int {
	if i >= panelCount(m.k) {
		return count
	}
	for p := first; p < min(first+count, panelCount(m.n)); p++ {
		kernel.Prefetch(m.panel(p)[i*panelWidth : min((i+1)*panelWidth, m.k)])
	}
	return count
}

// transposePanel writes panel i of Wᵀ, whose outputs are inputs 32·i and up of W, to dst,
// N rows long. Columns beyond the last input keep their values.
func (m *Matrix) transposePanel(dst []panelRow, i int) {
	first := i * panelWidth
	columns := min(panelWidth, m.k-first)
	for p := range panelCount(m.n) {
		source := m.panel(p)[first:][:columns]
		rows := dst[p*panelWidth : min((p+1)*panelWidth, m.n)]
		kernel.Transpose(rows, View{Data: panelValues(source), Rows: columns, Cols: len(rows), Stride: panelWidth}, 1)
	}
}
