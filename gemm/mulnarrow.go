package gemm

import (
	"unsafe"

	"kenserve/internal/parallel"
)

// narrowMul is one call of Mul with a narrow matrix. It runs twice: first a
// part narrows some rows of A, then it is one panel by one group of rows.
type narrowMul struct {
	m       *Matrix
	c, a    View
	e       Epilogue
	act     *activations
	rounded bool // the rows of A are narrowed
	rows    int  // of a group, a multiple of chunkRows
	groups  int
}

// mulNarrow is Mul, after its checks, for the narrow compute types.
func (m *Matrix) mulNarrow(p *parallel.Pool, c, a View, e Epilogue) {
	act := activationRows.take()
	defer activationRows.release(act)
	act.reset(m.compute, a.Rows, a.Cols)
	w := narrowMul{m: m, c: c, a: a, e: e, act: act}
	w.run(p, (a.Rows+narrowRows-1)/narrowRows, a.Rows*a.Cols*narrowWork)

	panels := panelCount(m.n)
	w.rounded = true
	w.rows, w.groups = groupRows(p, a.Rows, panels)
	w.run(p, panels*w.groups, a.Rows*m.n*m.k)
}

// narrowWork is about how many multiplications narrowing an activation costs.
const narrowWork = 8

// run performs the parts, on the pool if work is worth it.
func (w *narrowMul) run(p *parallel.Pool, parts, work int) {
	if p.Width() == 1 || parts == 1 || work < sharedWork {
		for i := range parts {
			w.part(i)
		}
		return
	}
	shared := narrowMuls.take()
	*shared = *w
	p.Run(parts, shared)
	*shared = narrowMul{}
	narrowMuls.release(shared)
}

// narrowMuls are the products that a pool's goroutines share.
var narrowMuls freeList[narrowMul]

// Do performs one part on a worker.
func (w *narrowMul) Do(part, _ int) { w.part(part) }

func (w *narrowMul) part(i int) {
	if !w.rounded {
		for r := i * narrowRows; r < min((i+1)*narrowRows, w.a.Rows); r++ {
			w.act.narrow(w.m.compute, r, w.a.Row(r))
		}
		return
	}
	panel, r0 := i/w.groups, i%w.groups*w.rows
	r1 := min(r0+w.rows, w.a.Rows)
	b := partBuffers.take()
	defer partBuffers.release(b)
	var p narrowPanel
	if w.m.patch == nil {
		p = w.m.narrow.panel(panel)
	} else {
		p = b.patched(w.m, panel)
	}
	for cold := w.m.patch == nil; r0 < r1; r0 += chunkRows {
		w.chunk(panel, &p, b, r0, min(r0+chunkRows, r1), cold)
		cold = false
	}
}

// chunk multiplies the rows r0 to r1 of A with a panel, which nothing was
// multiplied with yet if it is cold.
func (w *narrowMul) chunk(panel int, p *narrowPanel, b *partBuffer, r0, r1 int, cold bool) {
	c0 := panel * panelWidth
	c := w.c.Slice(r0, r1, c0, min(c0+panelWidth, w.m.n))
	bias := &zeros
	if w.e.Bias != nil {
		b.bias = line{}
		copy(b.bias[:], w.e.Bias[c0:])
		bias = &b.bias
	}
	sums, direct := c, c.Cols == panelWidth && w.e.Residual.Data == nil
	if !direct {
		sums = View{Data: unsafe.Slice(&b.sums[0][0], len(b.sums)*panelWidth), Rows: c.Rows, Cols: panelWidth, Stride: panelWidth}
	}
	a := w.act.words[r0*w.act.stride:]
	if w.m.compute == BFloat16 {
		widened(sums, View{Data: bias[:], Rows: c.Rows, Cols: panelWidth}, a, w.act.stride, p.lines, cold)
	} else {
		ints := b.ints[:c.Rows]
		clear(ints)
		dots(ints, a, w.act.stride, p.lines, cold)
		for i := range ints {
			dequantise(sums.Row(i), &ints[i], p.totals, p.steps, bias, w.act.zeros[r0+i], w.act.scales[r0+i])
		}
	}
	for i := range c.Rows {
		dst := c.Row(i)
		sum := sums.Row(i)[:len(dst)]
		w.e.Activation.Apply(sum)
		switch {
		case w.e.Residual.Data != nil:
			addTo(dst, sum, w.e.Residual.Data[(r0+i)*w.e.Residual.Stride+c0:][:len(dst)])
		case !direct:
			copy(dst, sum)
		}
	}
}

// partBuffer is what a part needs beside its operands.
type partBuffer struct {
	bias line
	sums [chunkRows]line
	ints [chunkRows][panelWidth]int32

	// A patched panel, before and after it is narrowed.
	lines, words []line
	steps        line
	totals       [panelWidth]int32
}

// patched returns a panel of an overlay, patched and narrowed.
func (b *partBuffer) patched(m *Matrix, panel int) narrowPanel {
	n := (m.k + m.compute.inputs() - 1) / m.compute.inputs()
	if len(b.lines) < m.k {
		b.lines = makePanels(m.k)
	}
	if len(b.words) < n {
		b.words = makePanels(n)
	}
	lines := b.lines[:m.k]
	walk, _ := m.walk(m.patch, panel)
	walk.read(lines)
	p := narrowPanel{lines: unsafe.Slice((*words)(unsafe.Pointer(unsafe.SliceData(b.words))), n), steps: &b.steps, totals: &b.totals}
	p.narrow(m.compute, lines)
	return p
}

var partBuffers freeList[partBuffer]
