package gemm

import (
	"fmt"
	"unsafe"

	"kenserve/gemm/kernel"
	"kenserve/internal/sparse"
)

const panelWidth = kernel.PanelWidth

// panelRow holds the weights of a panel's 32 outputs for one input.
type panelRow = kernel.PanelRow

// Matrix is the weight W[N,K] of a dense layer, N outputs by K inputs, packed for
// multiplication. It is immutable.
type Matrix struct {
	n, k    int
	compute Compute
	panels  []panelRow     // [ceil(n/32)*k]; nil if lowPrecision is set
	patch   *sparse.Tensor // of an overlay: Mul applies it to the panels; else nil

	// Set by Changed: the matrix whose panels this one shares, and what is added to
	// its products. Else nil.
	root   *Matrix
	change *sparseChange

	// lowPrecision are the panels of a compute type other than Float32. An overlay
	// has none: Mul rounds each panel after patching it.
	lowPrecision *lowPrecisionPanels
}

// Pack builds a Matrix of n outputs by k inputs. It calls row once for each output i,
// in order, to fill dst, k long, with the output's weights.
func Pack(n, k int, row func(i int, dst []float32)) *Matrix {
	if n < 0 || k < 0 {
		panic(fmt.Sprintf("gemm: pack of a %d×%d matrix", n, k))
	}
	m := &Matrix{n: n, k: k, panels: makePanels(panelCount(n) * k)}
	buf := make([]float32, k)
	for i := range n {
		row(i, buf)
		panel, c := m.panel(i/panelWidth), i%panelWidth
		for j, w := range buf {
			panel[j][c] = w
		}
	}
	return m
}

// N returns the number of outputs, the rows of W.
func (m *Matrix) N() int { return m.n }

// K returns the number of inputs, the columns of W.
func (m *Matrix) K() int { return m.k }

// Bytes returns the memory of the matrix. For an overlay and a changed matrix (see
// [Matrix.Overlay] and [Matrix.Changed]) it does not include the base's panels and the
// patch.
func (m *Matrix) Bytes() int64 {
	switch {
	case m.patch != nil:
		return OverlayBytes
	case m.change != nil && m.change.ends == nil:
		return ChangedBytes
	case m.change != nil:
		return ExpandedBytes(m.change.patch, m.n)
	}
	return m.compute.Bytes(m.n, m.k)
}

// packedBytes returns the memory of a Float32 matrix of n outputs by k inputs that is
// no overlay.
func packedBytes(n, k int) int64 {
	return int64(panelCount(n)) * int64(k) * int64(unsafe.Sizeof(panelRow{}))
}

// Row copies row i of W, the weights of output i, to dst, which is K long. Weights of
// a low-precision type are rounded as in products.
func (m *Matrix) Row(i int, dst []float32) {
	if i < 0 || i >= m.n || len(dst) != m.k {
		panic(fmt.Sprintf("gemm: row %d of a %d×%d matrix, copied to %d values", i, m.n, m.k, len(dst)))
	}
	if m.change != nil {
		m.root.Row(i, dst)
		m.change.addTo(i, dst)
		return
	}
	column := i % panelWidth
	if m.lowPrecision != nil {
		p := m.lowPrecision.panel(i / panelWidth)
		p.output(m.compute, column, dst)
		return
	}
	panel := m.panel(i / panelWidth)
	if m.patch != nil {
		panel = makePanels(m.k)
		c, _ := m.patchCursor(i / panelWidth)
		c.read(panel)
	}
	if m.compute != Float32 {
		p := makeLowPrecision(m.compute, panelWidth, m.k).panel(0)
		p.round(m.compute, panel)
		p.output(m.compute, column, dst)
		return
	}
	for j := range dst {
		dst[j] = panel[j][column]
	}
}

// panelCount returns the number of panels for n outputs.
func panelCount(n int) int { return (n + panelWidth - 1) / panelWidth }

// panel returns the rows of panel i.
func (m *Matrix) panel(i int) []panelRow {
	return m.panels[i*m.k:][:m.k:m.k]
}
