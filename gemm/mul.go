package gemm

import (
	"fmt"
	"unsafe"

	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
	"kenserve/nn"
)

// Epilogue is what Mul does with a sum before it stores the result, in this order.
type Epilogue struct {
	Bias       []float32     // [N], with which the sum begins; nil for zero
	Before     View          // [M,N], gets the biased sum; the zero View for none
	Activation nn.Activation // applied to the biased sum
	Residual   View          // [M,N], added last; the zero View for none. It may be C itself.

	// Next is the matrix of the next product, or nil. The last parts of this product
	// prefetch the panels with which the next one begins.
	Next *Matrix

	// Scratch is memory for products of changed matrices, ScratchLen long; nil: package
	// gemm uses its own.
	Scratch []float32

	init View // [M, panels·32] with which the sums begin in place of Bias; or the zero View
}

// sharedProducts is the number of multiplications below which waking workers costs more
// than it gains.
const sharedProducts = 1 << 18

// Mul computes C[M,N] = activation(A[M,K]·Wᵀ + bias) + residual on the pool. C must not
// overlap A. Sizes that do not match are errors of the program and panic.
func (m *Matrix) Mul(p *parallel.Pool, c, a View, e Epilogue) {
	if m.change != nil {
		bias := e.Bias
		e.Bias = nil
		MulSegments(p, c, a, []Segment{{End: a.Rows, Weight: m, Bias: bias}}, e)
		return
	}
	m.mul(p, c, a, e)
}

// mul is Mul of a matrix that is not changed.
func (m *Matrix) mul(p *parallel.Pool, c, a View, e Epilogue) {
	c.Check("product")
	a.Check("left factor")
	if a.Cols != m.k || c.Cols != m.n || c.Rows != a.Rows {
		panic(fmt.Sprintf("gemm: product of wrong sizes: [%d,%d] = [%d,%d]·[%d,%d]ᵀ", c.Rows, c.Cols, a.Rows, a.Cols, m.n, m.k))
	}
	if e.Bias != nil && len(e.Bias) != m.n {
		panic(fmt.Sprintf("gemm: %d biases for %d outputs", len(e.Bias), m.n))
	}
	if e.Before.Data != nil {
		e.Before.Check("sums before the activation")
		if e.Before.Rows != c.Rows || e.Before.Cols != c.Cols {
			panic(fmt.Sprintf("gemm: sums [%d,%d] before the activation of a product [%d,%d]", e.Before.Rows, e.Before.Cols, c.Rows, c.Cols))
		}
	}
	if e.Residual.Data != nil {
		e.Residual.Check("residual")
		if e.Residual.Rows != c.Rows || e.Residual.Cols != c.Cols {
			panic(fmt.Sprintf("gemm: residual [%d,%d] for a product [%d,%d]", e.Residual.Rows, e.Residual.Cols, c.Rows, c.Cols))
		}
	}
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	if m.compute != Float32 {
		m.mulLowPrecision(p, c, a, e)
		return
	}
	panels := panelCount(m.n)
	w := mulWork{m: m, c: c, a: a, e: e}
	w.groupRows, w.groups = rowGroups(p, a.Rows, panels)
	parts := panels * w.groups
	if p.Width() == 1 || parts == 1 || a.Rows*m.n*m.k < sharedProducts {
		for i := range parts {
			w.Do(i, 0)
		}
		return
	}
	shared := mulWorks.take() // a pointer to w would make every call allocate w
	w.job = p.Job()
	*shared = w
	w.job.Run(parts, shared)
	*shared = mulWork{}
	mulWorks.release(shared)
}

// mulWork is one call of Mul. A part is one panel by one group of rows.
type mulWork struct {
	m         *Matrix
	c, a      View
	e         Epilogue
	groupRows int // rows of a group, a multiple of kernel.ChunkRows
	groups    int
	job       *parallel.Job // nil: the calling goroutine performs all parts
}

var mulWorks freeList[mulWork]

// rowGroups returns the number of rows of a group, and the number of groups. Usually
// there is one group: a worker multiplies all rows with a panel, and so patches the
// panel only once. With too few panels to keep all workers busy there are more groups.
func rowGroups(p *parallel.Pool, rows, panels int) (groupRows, groups int) {
	const partsPerWorker = 4
	chunks := (rows + kernel.ChunkRows - 1) / kernel.ChunkRows
	groups = min(chunks, (partsPerWorker*p.Width()+panels-1)/panels)
	groupRows = (chunks + groups - 1) / groups * kernel.ChunkRows
	return groupRows, (rows + groupRows - 1) / groupRows
}

// Do performs one part.
func (w *mulWork) Do(i, slot int) {
	panel, r0 := i/w.groups, i%w.groups*w.groupRows
	r1 := min(r0+w.groupRows, w.a.Rows)
	weights := weights{rows: w.m.panel(panel)}
	next := w.prefetchTarget(i, slot)
	if w.m.patch != nil {
		if cursor, changes := w.m.patchCursor(panel); changes {
			size := len(weights.rows)
			if r1-r0 <= kernel.ChunkRows { // one chunk: no other one needs the whole panel
				size = min(size, patchBlock(r1-r0))
			}
			scratch := takeScratch(size)
			defer scratchPanels.release(scratch)
			weights.rows = scratch.rows[:size]
			weights.next, weights.cursor = next, &cursor
			// The first chunk multiplies each block of the panel just after it was
			// patched.
			end := min(r0+kernel.ChunkRows, r1)
			w.chunk(panel, &weights, r0, end)
			r0, next, weights.cursor = end, nil, nil
		}
	}
	for ; r0 < r1; r0 += kernel.ChunkRows {
		end := min(r0+kernel.ChunkRows, r1)
		if weights.next = nil; end == r1 {
			weights.next = next
		}
		w.chunk(panel, &weights, r0, end)
	}
}

// weights is a panel as it is multiplied with a chunk of rows.
type weights struct {
	rows   []panelRow   // with a cursor: memory for the whole panel or for one block of it
	cursor *patchCursor // which patches the rows first; or nil
	next   []panelRow   // to be prefetched
}

// prefetchTarget returns the panel with which this goroutine will multiply after part i,
// as far as it can be known, or nil if that is the same panel or there is none. It also
// prefetches what the patch has for that panel.
func (w *mulWork) prefetchTarget(i, slot int) []panelRow {
	next, ok, slots := i+1, i+1 < panelCount(w.m.n)*w.groups, 1
	if w.job != nil {
		next, ok = w.job.Next(slot)
		slots = w.job.Slots()
	}
	m, panel := w.m, next/w.groups
	switch {
	case !ok && (w.e.Next == nil || len(w.e.Next.panels) == 0): // none, or a low-precision one
		return nil
	case !ok:
		m, panel = w.e.Next, panelCount(w.e.Next.n)*slot/slots
	case panel == i/w.groups:
		return nil
	}
	m.prefetchPatch(panel)
	return m.panel(panel)
}

// prefetchPatch prefetches what the patch has for a panel.
func (m *Matrix) prefetchPatch(panel int) {
	if m.patch == nil {
		return
	}
	first, end := m.patch.PanelTiles(panel)
	for i := first; i < end; i++ {
		kernel.PrefetchTile(m.patch, i)
	}
}

// zeros is the row with which sums without a bias begin.
var zeros panelRow

// chunk multiplies the rows r0 to r1 of A with a panel.
func (w *mulWork) chunk(panel int, weights *weights, r0, r1 int) {
	c0 := panel * panelWidth
	c := w.c.Slice(r0, r1, c0, min(c0+panelWidth, w.m.n))
	bias := &zeros
	var padded panelRow
	if w.e.Bias != nil {
		copy(padded[:], w.e.Bias[c0:])
		bias = &padded
	}
	init := View{Data: bias[:], Rows: c.Rows, Cols: panelWidth} // stride 0: the same row for all
	if w.e.init.Data != nil {
		init = w.e.init.Slice(r0, r1, c0, c0+panelWidth)
	}
	a := w.a.Data[r0*w.a.Stride:]
	if c.Cols < panelWidth || w.e.Residual.Data != nil {
		w.chunkInScratch(c, init, a, panel, weights, r0)
		return
	}
	w.sum(c, init, a, panel, weights)
	w.e.keep(c, r0, c0)
	w.e.Activation.Apply(c)
}

// chunkInScratch multiplies a chunk whose sums cannot be in C itself, because the panel
// is wider than C or because C may hold the residual.
func (w *mulWork) chunkInScratch(c, init View, a []float32, panel int, weights *weights, r0 int) {
	var scratch [kernel.ChunkRows]panelRow
	sums := View{Data: unsafe.Slice(&scratch[0][0], len(scratch)*panelWidth), Rows: c.Rows, Cols: panelWidth, Stride: panelWidth}
	w.sum(sums, init, a, panel, weights)
	w.e.keep(View{Data: sums.Data, Rows: c.Rows, Cols: c.Cols, Stride: sums.Stride}, r0, panel*panelWidth)
	w.e.Activation.Apply(sums.Slice(0, sums.Rows, 0, c.Cols))
	for i := range c.Rows {
		dst := c.Row(i)
		sum := sums.Row(i)[:len(dst)]
		if w.e.Residual.Data == nil {
			copy(dst, sum)
		} else {
			kernel.Add(dst, sum, w.e.Residual.Data[(r0+i)*w.e.Residual.Stride+panel*panelWidth:][:len(dst)])
		}
	}
}

// keep copies sums before the activation to where the caller wants them. Their first
// element is (r0, c0) of C.
func (e *Epilogue) keep(sums View, r0, c0 int) {
	if e.Before.Data == nil {
		return
	}
	for i := range sums.Rows {
		copy(e.Before.Data[(r0+i)*e.Before.Stride+c0:][:sums.Cols], sums.Row(i))
	}
}

// patchBlock returns the number of panel rows that are patched at a time, before the
// given number of rows of A is multiplied with them. A large block, 48 KiB, is written
// to the second-level cache and read from it again, which few rows do not pay for: half
// of it stays in the first-level cache.
func patchBlock(rows int) int {
	if rows < kernel.ChunkRows {
		return 192
	}
	return 384
}

// sum computes dst = init + A·panel.
func (w *mulWork) sum(dst, init View, a []float32, panel int, weights *weights) {
	rows, next := weights.rows, weights.next
	if weights.cursor == nil {
		kernel.SGEMM(dst, init, a, w.a.Stride, rows, false, next)
		return
	}
	base, size := w.m.panel(panel), patchBlock(dst.Rows)
	for k := 0; k < len(base); k += size {
		block := rows[:min(size, len(base)-k)]
		if len(rows) == len(base) { // there is memory for the whole panel
			block = rows[k:][:len(block)]
		}
		weights.cursor.read(block)
		fetch := next
		if k+size < len(base) {
			fetch = base[k+size:]
		}
		kernel.SGEMM(dst, init, a[k:], w.a.Stride, block, true, fetch)
		init = dst
	}
}
