package gemm

import (
	"fmt"
	"unsafe"
)

const (
	panelWidth = 32 // output columns of a panel
	tileRows   = 16 // output rows of a patch's tile: half a panel
	lineBytes  = 64 // alignment of panels
)

// line holds the weights of the outputs of one panel for one input.
type line = [panelWidth]float32

// Matrix is the weight W[N,K] of a dense layer, N outputs by K inputs, packed
// for multiplication. It is immutable.
type Matrix struct {
	n, k   int
	panels []line // [ceil(n/32)*k]
	patch  *Patch // that Mul applies on the fly, or nil

	compute Compute
	// narrow replaces panels where compute is not Float32, but for overlays,
	// whose panels are narrowed on the fly.
	narrow *narrowWeights
}

// Pack builds a Matrix of n outputs by k inputs. It calls row once for each i
// from 0 to n-1, in order, to fill dst, k long, with the weights of output i.
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

// panelCount returns how many panels n outputs take.
func panelCount(n int) int { return (n + panelWidth - 1) / panelWidth }

// makePanels returns n zero lines that start at a multiple of 64 bytes.
func makePanels(n int) []line {
	if n == 0 {
		return nil
	}
	buf := make([]float32, n*panelWidth+lineBytes/4)
	adviseHuge(unsafe.Pointer(&buf[0]), 4*len(buf))
	skip := 0
	if r := misaligned(unsafe.Pointer(&buf[0])); r != 0 {
		skip = (lineBytes - r) / 4
	}
	return unsafe.Slice((*line)(unsafe.Pointer(&buf[skip])), n)
}

// misaligned returns the address modulo lineBytes.
func misaligned(p unsafe.Pointer) int { return int(uintptr(p) % lineBytes) }

// N returns the number of outputs, the rows of W.
func (m *Matrix) N() int { return m.n }

// K returns the number of inputs, the columns of W.
func (m *Matrix) K() int { return m.k }

// Bytes returns the memory that the matrix holds. Of an [Matrix.Overlay] that is
// what it holds beyond the matrix and the patch below it.
func (m *Matrix) Bytes() int64 {
	if m.patch != nil {
		return OverlayBytes
	}
	return m.compute.Bytes(m.n, m.k)
}

// PackedBytes returns what Bytes will be for a matrix of n outputs by k inputs
// of type Float32.
func PackedBytes(n, k int) int64 {
	return int64(panelCount(n)) * int64(k) * int64(unsafe.Sizeof(line{}))
}

// Row copies row i of W, the weights of output i, to dst, which is K long. Those
// of a narrow compute type are rounded as products see them.
func (m *Matrix) Row(i int, dst []float32) {
	if i < 0 || i >= m.n || len(dst) != m.k {
		panic(fmt.Sprintf("gemm: row %d of a %d×%d matrix to %d values", i, m.n, m.k, len(dst)))
	}
	col := i % panelWidth
	if m.narrow != nil {
		p := m.narrow.panel(i / panelWidth)
		p.row(m.compute, col, dst)
		return
	}
	panel := m.panel(i / panelWidth)
	if m.patch != nil {
		panel = makePanels(m.k)
		w, _ := m.walk(m.patch, i/panelWidth)
		w.read(panel)
	}
	if m.compute != Float32 {
		p := makeNarrow(m.compute, panelWidth, m.k).panel(0)
		p.narrow(m.compute, panel)
		p.row(m.compute, col, dst)
		return
	}
	for j := range dst {
		dst[j] = panel[j][col]
	}
}

func (m *Matrix) panel(i int) []line {
	return m.panels[i*m.k:][:m.k:m.k]
}
