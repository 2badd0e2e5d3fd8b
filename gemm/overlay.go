package gemm

import (
	"errors"
	"fmt"
	"sync"
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

// scratchPanels are the buffers that panels are patched into. There are as many
// as goroutines ever multiplied at once, each as large as the largest panel it
// was asked for.
type scratchPanels struct {
	mu   sync.Mutex
	free []*scratchPanel
}

type scratchPanel struct{ lines []line }

// callersPanels are for goroutines that multiply without a pool.
var callersPanels scratchPanels

// take returns a buffer of n lines, which hold anything.
func (s *scratchPanels) take(n int) *scratchPanel {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b *scratchPanel
	if last := len(s.free) - 1; last >= 0 {
		b, s.free = s.free[last], s.free[:last]
	} else {
		b = &scratchPanel{}
	}
	if len(b.lines) < n {
		b.lines = makePanels(n)
	}
	return b
}

func (s *scratchPanels) release(b *scratchPanel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, b)
}

// OverlayBytes is what Bytes is for an overlay: next to nothing.
const OverlayBytes = int64(unsafe.Sizeof(Matrix{}))
