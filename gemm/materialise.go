package gemm

import (
	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
)

// Materialised returns a matrix with the weights and the compute type of an overlay, in
// panels of its own. The pool shares the work. For a matrix of [Matrix.Changed], it
// returns one that has the patch's values in the order in which products read them, and
// shares the panels. Any other matrix is returned itself.
func (m *Matrix) Materialised(p *parallel.Pool) *Matrix {
	if m.change != nil && m.change.ends == nil {
		return m.expanded()
	}
	if m.patch == nil {
		return m
	}
	out := &Matrix{n: m.n, k: m.k, compute: m.compute}
	if m.compute == Float32 {
		out.panels = newPanels(len(m.panels))
	} else {
		out.lowPrecision = makeLowPrecision(m.compute, m.n, m.k)
	}
	panels := panelCount(m.n)
	if panels*m.k < minSharedPanelRows {
		p = nil
	}
	p.Run(panels, &materialiseWork{from: m, to: out})
	return out
}

// minSharedPanelRows is the number of panel rows, a megabyte, below which waking
// workers costs more than it gains.
const minSharedPanelRows = 1 << 13

// materialiseWork is one call of Materialised. A part is a panel.
type materialiseWork struct{ from, to *Matrix }

// Do makes one panel.
func (w *materialiseWork) Do(i, _ int) {
	cursor, _ := w.from.patchCursor(i)
	if w.to.compute == Float32 {
		scratch := takeScratch(kernel.StreamScratch(w.from.k))
		defer scratchPanels.release(scratch)
		cursor.stream(w.to.panel(i), scratch.rows)
		return
	}
	scratch := takeScratch(w.from.k)
	defer scratchPanels.release(scratch)
	rows := scratch.rows[:w.from.k]
	cursor.read(rows)
	p := w.to.lowPrecision.panel(i)
	p.round(w.to.compute, rows)
}
