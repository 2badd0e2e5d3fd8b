package gemm

import (
	"errors"
	"fmt"
	"unsafe"

	"kenserve/gemm/kernel"
	"kenserve/internal/sparse"
)

// sparseChange is a sparse change whose products are computed beside those of the base.
type sparseChange struct {
	patch *sparse.Tensor
	// weights are the base's in float32. Only the coding Float32 needs them: its
	// values are subtracted from them.
	weights *Matrix

	// The quads of all panels, if the change is expanded: those of panel i end before
	// quads ends[i]. Otherwise ends is nil, and every product reads the patch.
	quads kernel.Quads
	ends  []uint32
	begun []uint8 // [panels] kernel.Quads.Begun
}

// Changed returns m with a patch applied beside it: the result shares m's panels, and
// its products are
//
//	A·W[N,K]ᵀ + A·Δ[N,K]ᵀ
//
// with Δ the patch's changes of the base, in float32 whatever the type of m. One product
// of the base can serve rows with different patches; see [MulSegments].
//
// patch must have been checked for [N, K] and have its values in the order of panels.
// weights is m in float32. m must not be patched or changed. See [Changeable] for the
// density up to which Changed is better than [Matrix.Overlay].
func (m *Matrix) Changed(patch *sparse.Tensor, weights *Matrix) (*Matrix, error) {
	err := m.patchError(patch)
	switch {
	case err != nil:
	case m.k > kernel.MaxStripInputs:
		err = fmt.Errorf("%d inputs, at most %d are possible", m.k, kernel.MaxStripInputs)
	case weights.compute != Float32 || weights.n != m.n || weights.k != m.k || weights.patch != nil:
		err = errors.New("its weights in float32 have another shape or are patched")
	}
	if err != nil {
		return nil, fmt.Errorf("gemm: change a %d×%d matrix: %w", m.n, m.k, err)
	}
	out := *m
	out.root, out.change = m, &sparseChange{patch: patch, weights: weights}
	return &out, nil
}

// IsChanged reports whether m was made by [Matrix.Changed], so that its products need
// scratch memory.
func (m *Matrix) IsChanged() bool { return m.change != nil }

// maxChangedShare is, by compute type, the largest share of a matrix that a patch of
// [Matrix.Changed] should keep. With more, panels of the task's own are faster, by more
// than the memory that they take is worth. An int8 product takes a quarter of the time,
// and the change as long as ever. BenchmarkCrossing of package runtime measures it.
var maxChangedShare = []float64{Float32: 1.0 / 8, BFloat16: 1.0 / 8, Int8: 1.0 / 16}

// Changeable reports whether [Matrix.Changed] is possible and better than an overlay for
// a patch of a matrix of n outputs by k inputs of the type c.
func Changeable(patch *sparse.Tensor, n, k int, c Compute) bool {
	return !patch.Whole() && !patch.RowMajor && k <= kernel.MaxStripInputs && float64(patch.Kept()) <= maxChangedShare[c]*float64(n)*float64(k)
}

// ChangedBytes is the memory of a matrix of [Matrix.Changed] beside the base's panels
// and the patch.
const ChangedBytes = int64(unsafe.Sizeof(Matrix{}) + unsafe.Sizeof(sparseChange{}))

// ExpandedBytes bounds the memory that [Matrix.Materialised] takes for a changed matrix
// of n outputs.
func ExpandedBytes(patch *sparse.Tensor, n int) int64 {
	panels := panelCount(n)
	perQuad := int64(unsafe.Sizeof([1][4]uint16{})) + 1
	if patch.Coding != sparse.Sign {
		perQuad += int64(unsafe.Sizeof([1][4]float32{}))
	}
	signs := patch.Coding == sparse.Sign
	quads := kernel.MaxQuads(patch.Kept(), signs) + (panels-1)*kernel.MaxQuads(0, signs)
	return ChangedBytes + int64(quads)*perQuad + 5*int64(panels)
}

// expanded returns the matrix with its change's quads in memory.
func (m *Matrix) expanded() *Matrix {
	c := *m.change
	panels := panelCount(m.n)
	c.ends, c.begun = make([]uint32, panels), make([]uint8, panels)
	scratch := stripScratches.take()
	defer stripScratches.release(scratch)
	for i := range panels {
		q := m.change.panel(i, &scratch.quads)
		c.quads.Places = append(c.quads.Places, q.Places...)
		c.quads.Outputs = append(c.quads.Outputs, q.Outputs...)
		c.quads.Values = append(c.quads.Values, q.Values...)
		c.ends[i], c.begun[i] = uint32(len(c.quads.Places)), uint8(q.Begun)
	}
	c.quads.Clip()
	out := *m
	out.change = &c
	return &out
}

// panel returns the quads of panel i. Unless the change is expanded, they are in
// scratch memory.
func (c *sparseChange) panel(i int, scratch *kernel.Quads) kernel.Quads {
	if c.ends == nil {
		scratch.Read(c.patch, i, c.weights.panel(i))
		return *scratch
	}
	first := uint32(0)
	if i > 0 {
		first = c.ends[i-1]
	}
	return c.quads.Slice(int(first), int(c.ends[i]), int(c.begun[i]))
}

// addTo adds the change of one output to its weights: K long, of the base.
func (c *sparseChange) addTo(output int, dst []float32) {
	var q kernel.Quads
	var scales panelRow
	panel := output / panelWidth
	kernel.ReadScales(c.patch, panel, &scales)
	q.Read(c.patch, panel, c.weights.panel(panel))
	q.Each(output%panelWidth, func(input int, value float32) { dst[input] += value * scales[output%panelWidth] })
}
