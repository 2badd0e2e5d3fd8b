package nn

import (
	"fmt"
	"unsafe"

	"kenserve/gemm/kernel"
)

// Panels is the right factor of products A·Bᵀ, B[N,K], transposed once for many left
// factors: the keys of one head, for all blocks of its queries. It serves any number of
// goroutines that only multiply.
type Panels struct {
	b      kernel.View // for the portable kernels, which need no panels
	scale  float32
	panels []kernel.PanelRow // panel j/32 has the rows from j/32·K on
}

// PanelValues returns the number of values of memory that a Panels of B[n,k] needs.
func PanelValues(n, k int) int {
	return (n+kernel.PanelWidth-1)/kernel.PanelWidth*kernel.PanelWidth*k + cacheLine/4
}

const cacheLine = 64

// Set transposes b and multiplies it by scale, into memory of at least [PanelValues]
// values. Neither may change as long as p is used.
func (p *Panels) Set(memory []float32, b kernel.View, scale float32) {
	b.Check("right factor")
	p.b, p.scale = b, scale
	if usePortable() || b.Rows == 0 || b.Cols == 0 {
		return
	}
	if misaligned := uintptr(unsafe.Pointer(&memory[0])) % cacheLine; misaligned > 0 {
		memory = memory[(cacheLine-misaligned)/4:]
	}
	count := (b.Rows + kernel.PanelWidth - 1) / kernel.PanelWidth
	_ = memory[count*b.Cols*kernel.PanelWidth-1]
	p.panels = unsafe.Slice((*kernel.PanelRow)(unsafe.Pointer(&memory[0])), count*b.Cols)
	for i := range count {
		j := i * kernel.PanelWidth
		kernel.Transpose(p.panels[i*b.Cols:(i+1)*b.Cols], b.Slice(j, min(j+kernel.PanelWidth, b.Rows), 0, b.Cols), scale)
	}
}

// Product computes C[M,C.Cols] = scale · A[M,K]·B[first:first+C.Cols]ᵀ. first must be a
// multiple of 32. The bits are those of [ProductTransposed] if K is at most 128.
func (p *Panels) Product(c, a kernel.View, first int, s *Scratch) {
	c.Check("product")
	a.Check("left factor")
	if a.Cols != p.b.Cols || c.Rows != a.Rows || first+c.Cols > p.b.Rows || first%kernel.PanelWidth != 0 {
		panic(fmt.Sprintf("nn: product of wrong sizes: [%d,%d] = [%d,%d]·[%d,%d]ᵀ from %d", c.Rows, c.Cols, a.Rows, a.Cols, p.b.Rows, p.b.Cols, first))
	}
	if usePortable() || a.Rows == 0 || a.Cols == 0 {
		productTransposedPortable(c, a, p.b.Slice(first, first+c.Cols, 0, p.b.Cols), p.scale)
		return
	}
	for j := 0; j < c.Cols; j += kernel.PanelWidth {
		panel := p.panels[(first+j)/kernel.PanelWidth*a.Cols:][:a.Cols]
		keys := min(kernel.PanelWidth, c.Cols-j)
		if columns := (keys + 15) &^ 15; keys == columns {
			kernel.SGEMMStrided(c.Slice(0, c.Rows, j, j+keys), zeros, a.Data, a.Stride, values(panel), kernel.PanelWidth, a.Cols)
			continue
		}
		columns := (keys + 15) &^ 15
		for i := 0; i < a.Rows; i += kernel.ChunkRows {
			sums := s.view(min(kernel.ChunkRows, a.Rows-i), columns)
			kernel.SGEMMStrided(sums, zeros, a.Data[i*a.Stride:], a.Stride, values(panel), kernel.PanelWidth, a.Cols)
			for r := range sums.Rows {
				copy(c.Row(i + r)[j:j+keys], sums.Row(r))
			}
		}
	}
}
