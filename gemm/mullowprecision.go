package gemm

import (
	"unsafe"

	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
)

// lowPrecisionWork is one call of Mul with a matrix of type BFloat16 or Int8. It runs
// twice: first a part rounds some rows of A; then a part is one panel by one group of
// rows.
type lowPrecisionWork struct {
	m         *Matrix
	c, a      View
	e         Epilogue
	act       *lowPrecisionActivations
	rounded   bool // the rows of A are rounded
	groupRows int  // rows of a group, a multiple of kernel.ChunkRows
	groups    int
}

var (
	lowPrecisionWorks     freeList[lowPrecisionWork]
	lowPrecisionActs      freeList[lowPrecisionActivations]
	lowPrecisionScratches freeList[lowPrecisionScratch]
)

const (
	// roundedRows is the number of rows that one part rounds.
	roundedRows = 16
	// roundingProducts is the number of multiplications that take about as long as
	// rounding one activation.
	roundingProducts = 8
)

// mulLowPrecision is Mul, after its checks, for BFloat16 and Int8.
func (m *Matrix) mulLowPrecision(p *parallel.Pool, c, a View, e Epilogue) {
	act := lowPrecisionActs.take()
	defer lowPrecisionActs.release(act)
	act.reset(m.compute, a.Rows, a.Cols)
	w := lowPrecisionWork{m: m, c: c, a: a, e: e, act: act}
	w.run(p, (a.Rows+roundedRows-1)/roundedRows, a.Rows*a.Cols*roundingProducts)

	panels := panelCount(m.n)
	w.rounded = true
	w.groupRows, w.groups = rowGroups(p, a.Rows, panels)
	w.run(p, panels*w.groups, a.Rows*m.n*m.k)
}

// run performs the parts, on the pool if there are enough multiplications.
func (w *lowPrecisionWork) run(p *parallel.Pool, parts, products int) {
	if p.Width() == 1 || parts == 1 || products < sharedProducts {
		for i := range parts {
			w.Do(i, 0)
		}
		return
	}
	shared := lowPrecisionWorks.take()
	*shared = *w
	p.Run(parts, shared)
	*shared = lowPrecisionWork{}
	lowPrecisionWorks.release(shared)
}

// Do performs one part.
func (w *lowPrecisionWork) Do(i, _ int) {
	if !w.rounded {
		for r := i * roundedRows; r < min((i+1)*roundedRows, w.a.Rows); r++ {
			w.act.round(w.m.compute, r, w.a.Row(r))
		}
		return
	}
	panel, r0 := i/w.groups, i%w.groups*w.groupRows
	r1 := min(r0+w.groupRows, w.a.Rows)
	s := lowPrecisionScratches.take()
	defer lowPrecisionScratches.release(s)
	var p lowPrecisionPanel
	if w.m.patch == nil {
		p = w.m.lowPrecision.panel(panel)
	} else {
		p = s.patchedPanel(w.m, panel)
	}
	for uncached := w.m.patch == nil; r0 < r1; r0 += kernel.ChunkRows {
		w.chunk(panel, &p, s, r0, min(r0+kernel.ChunkRows, r1), uncached)
		uncached = false
	}
}

// chunk multiplies the rows r0 to r1 of A with a panel. uncached says that the panel
// comes from beyond the caches.
func (w *lowPrecisionWork) chunk(panel int, p *lowPrecisionPanel, s *lowPrecisionScratch, r0, r1 int, uncached bool) {
	c0 := panel * panelWidth
	c := w.c.Slice(r0, r1, c0, min(c0+panelWidth, w.m.n))
	bias := &zeros
	if w.e.Bias != nil {
		s.bias = panelRow{}
		copy(s.bias[:], w.e.Bias[c0:])
		bias = &s.bias
	}
	sums, inPlace := c, c.Cols == panelWidth && w.e.Residual.Data == nil
	if !inPlace {
		sums = View{Data: unsafe.Slice(&s.sums[0][0], len(s.sums)*panelWidth), Rows: c.Rows, Cols: panelWidth, Stride: panelWidth}
	}
	a := w.act.words[r0*w.act.stride:]
	init := View{Data: bias[:], Rows: c.Rows, Cols: panelWidth} // stride 0: the same row for all
	if w.e.init.Data != nil {
		init = w.e.init.Slice(r0, r1, c0, c0+panelWidth)
	}
	if w.m.compute == BFloat16 {
		kernel.BF16GEMM(sums, init, a, w.act.stride, p.rows, uncached)
	} else {
		ints := s.ints[:c.Rows]
		clear(ints)
		kernel.IGEMMU8S8(ints, a, w.act.stride, p.rows, uncached)
		kernel.Dequantise(sums, init, ints, p.totals, p.steps, w.act.zeros[r0:], w.act.scales[r0:])
	}
	w.e.keep(View{Data: sums.Data, Rows: c.Rows, Cols: c.Cols, Stride: sums.Stride}, r0, c0)
	w.e.Activation.Apply(sums.Slice(0, sums.Rows, 0, c.Cols))
	for i := range c.Rows {
		switch dst := c.Row(i); {
		case w.e.Residual.Data != nil:
			kernel.Add(dst, sums.Row(i)[:len(dst)], w.e.Residual.Data[(r0+i)*w.e.Residual.Stride+c0:][:len(dst)])
		case !inPlace:
			copy(dst, sums.Row(i))
		}
	}
}

// lowPrecisionScratch is the memory of one part beside its operands.
type lowPrecisionScratch struct {
	bias panelRow
	sums [kernel.ChunkRows]panelRow
	ints [kernel.ChunkRows][panelWidth]int32

	// A patched panel, before and after rounding.
	patched, words []panelRow
	steps          panelRow
	totals         [panelWidth]int32
}

// patchedPanel returns a panel of an overlay, patched and then rounded.
func (s *lowPrecisionScratch) patchedPanel(m *Matrix, panel int) lowPrecisionPanel {
	n := (m.k + m.compute.inputsPerWord() - 1) / m.compute.inputsPerWord()
	if len(s.patched) < m.k {
		s.patched = makePanels(m.k)
	}
	if len(s.words) < n {
		s.words = makePanels(n)
	}
	rows := s.patched[:m.k]
	cursor, _ := m.patchCursor(panel)
	cursor.read(rows)
	p := lowPrecisionPanel{rows: asWords(s.words[:n]), steps: &s.steps, totals: &s.totals}
	p.round(m.compute, rows)
	return p
}
