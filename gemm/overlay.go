package gemm

import (
	"errors"
	"fmt"
	"unsafe"

	"kenserve/internal/sparse"
)

// Overlay returns m with a patch applied, without a copy: the result shares m's panels
// and the patch, and every call of Mul patches each panel on the way. Its products have
// the same bits as those of the [Matrix.Materialised] overlay.
//
// patch must have been checked for [N, K] and have its values in the order of panels:
// masks of 16 rows, or gaps that are not row-major. m must be Float32 and no overlay.
func (m *Matrix) Overlay(patch *sparse.Tensor) (*Matrix, error) {
	err := m.patchError(patch)
	if err == nil && m.compute != Float32 {
		err = fmt.Errorf("the matrix is %s, only float32 can be patched", m.compute)
	}
	if err != nil {
		return nil, fmt.Errorf("gemm: patch a %d×%d matrix: %w", m.n, m.k, err)
	}
	return &Matrix{n: m.n, k: m.k, panels: m.panels, patch: patch}, nil
}

// patchError returns why a patch cannot be applied to m, or nil.
func (m *Matrix) patchError(patch *sparse.Tensor) error {
	switch {
	case m.patch != nil || m.change != nil:
		return errors.New("the matrix is patched already")
	case !patch.CheckedFor(m.n, m.k):
		return errors.New("the patch was not checked for this shape")
	case patch.Whole() || patch.RowMajor:
		return errors.New("the patch does not have the order of panels")
	}
	return nil
}

// OverlayBytes is the memory of an overlay beside the base's panels and the patch.
const OverlayBytes = int64(unsafe.Sizeof(Matrix{}))

// scratchPanel is memory into which panels are patched.
type scratchPanel struct{ rows []panelRow }

var scratchPanels freeList[scratchPanel]

// takeScratch returns scratch memory of at least n rows with arbitrary contents.
func takeScratch(n int) *scratchPanel {
	b := scratchPanels.take()
	if len(b.rows) < n {
		b.rows = makePanels(n)
	}
	return b
}
