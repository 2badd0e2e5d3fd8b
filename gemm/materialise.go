package gemm

import (
	"strings"
	"unsafe"

	"kenserve/internal/parallel"
)

// Patched returns a copy of m with the patch applied. m is left as it is, and
// the two share no memory.
func (m *Matrix) Patched(p *Patch) (*Matrix, error) {
	over, err := m.Overlay(p)
	if err != nil {
		return nil, err
	}
	return over.Materialised(nil), nil
}

// Materialised returns a matrix with the weights of an overlay in panels of its
// own, of the overlay's compute type, which share no memory with it. The work is
// shared on the pool. A matrix that is no overlay is returned itself.
func (m *Matrix) Materialised(p *parallel.Pool) *Matrix {
	if m.patch == nil {
		return m
	}
	out := &Matrix{n: m.n, k: m.k, compute: m.compute}
	w := &materialise{from: m, to: out}
	if m.compute == Float32 {
		out.panels = newPanels(len(m.panels))
	} else {
		out.narrow = makeNarrow(m.compute, m.n, m.k)
	}
	panels := panelCount(m.n)
	if panels*m.k < sharedLines {
		p = nil
	}
	p.Run(panels, w)
	return out
}

// sharedLines is the number of lines, a megabyte, below which waking workers
// costs more than it gains.
const sharedLines = 1 << 13

// materialise is one call of Materialised. A part is a panel.
type materialise struct{ from, to *Matrix }

// Do makes one panel.
func (w *materialise) Do(i, _ int) {
	walk, _ := w.from.walk(w.from.patch, i)
	if w.to.compute == Float32 {
		scratch := takeScratch(max(streamedLines, maskScratch(w.from.k)))
		defer scratchPanels.release(scratch)
		walk.stream(w.to.panel(i), scratch.lines)
		return
	}
	scratch := takeScratch(w.from.k)
	defer scratchPanels.release(scratch)
	lines := scratch.lines[:w.from.k]
	walk.read(lines)
	p := w.to.narrow.panel(i)
	p.narrow(w.to.compute, lines)
}

// maskScratch is how many scratch lines masks and signs that are made of gaps take
// at most: 16 bits of either for each half of n lines, whole words of masks, and
// what is stored and read behind the last sign.
func maskScratch(n int) int { return n/16 + 2 }

// newPanels returns n lines that start at a multiple of 64 bytes and hold
// anything. They are to be overwritten whole: Go's make would clear them first,
// which takes as long as copying a task's panels. A builder of strings is where
// Go hands out memory as it is.
func newPanels(n int) []line {
	if n == 0 {
		return nil
	}
	var b strings.Builder
	b.Grow(n*int(unsafe.Sizeof(line{})) + lineBytes)
	p := unsafe.Pointer(unsafe.StringData(b.String()))
	if p == nil { // promised by nobody
		return makePanels(n)
	}
	adviseHuge(p, n*int(unsafe.Sizeof(line{})))
	if r := misaligned(p); r != 0 {
		p = unsafe.Add(p, lineBytes-r)
	}
	return unsafe.Slice((*line)(p), n)
}
