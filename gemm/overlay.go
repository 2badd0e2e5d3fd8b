package gemm

import (
	"errors"
	"fmt"
	"unsafe"
)

// Overlay returns m with the patch applied without a copy: the result shares
// m's panels and p, and Mul patches each panel on the fly, on every call. Its
// products have the same bits as those of m.Patched(p).
func (m *Matrix) Overlay(p *Patch) (*Matrix, error) {
	if err := m.checkPatch(p); err != nil {
		return nil, err
	}
	return &Matrix{n: m.n, k: m.k, panels: m.panels, patch: p}, nil
}

func (m *Matrix) checkPatch(p *Patch) error {
	err := p.check(m)
	switch {
	case m.compute != Float32:
		err = fmt.Errorf("the weights are %s, patches are for float32", m.compute)
	case m.patch != nil:
		err = errors.New("the matrix is patched already")
	}
	if err != nil {
		return fmt.Errorf("gemm: %w: %w", ErrPatch, err)
	}
	return nil
}

// scratchPanel is what a panel is patched into.
type scratchPanel struct{ lines []line }

var scratchPanels freeList[scratchPanel]

// takeScratch returns a buffer of at least n lines, which hold anything.
func takeScratch(n int) *scratchPanel {
	b := scratchPanels.take()
	if len(b.lines) < n {
		b.lines = makePanels(n)
	}
	return b
}

// OverlayBytes is what Bytes is for an overlay: next to nothing.
const OverlayBytes = int64(unsafe.Sizeof(Matrix{}))
