package nn

import (
	"fmt"
	"unsafe"

	"kenserve/gemm/kernel"
)

// Scratch is memory for the products of attention. Its zero value is ready. It serves
// one goroutine at a time.
type Scratch struct {
	panel [128]kernel.PanelRow
	sums  [kernel.ChunkRows]kernel.PanelRow
}

// zeros is the row with which every sum begins.
var zeros = kernel.View{Data: make([]float32, kernel.PanelWidth), Rows: 1, Cols: kernel.PanelWidth}

// ProductTransposed computes C[M,N] = scale · A[M,K]·B[N,K]ᵀ: the scores of attention,
// where A are the queries and B the keys of one head. C must not overlap A or B. Sizes
// that do not match panic.
func ProductTransposed(c, a, b kernel.View, scale float32, s *Scratch) {
	c.Check("product")
	a.Check("left factor")
	b.Check("right factor")
	if a.Cols != b.Cols || c.Rows != a.Rows || c.Cols != b.Rows {
		panic(fmt.Sprintf("nn: product of wrong sizes: [%d,%d] = [%d,%d]·[%d,%d]ᵀ", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	if usePortable() || a.Rows == 0 || a.Cols == 0 {
		productTransposedPortable(c, a, b, scale)
		return
	}
	productTransposedPanels(c, a, b, scale, s)
}

// Product computes C[M,N] = A[M,K]·B[K,N]: the context of attention, where A are the
// probabilities and B the values of one head. C must not overlap A or B. Sizes that do
// not match panic.
func Product(c, a, b kernel.View, s *Scratch) {
	c.Check("product")
	a.Check("left factor")
	b.Check("right factor")
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols {
		panic(fmt.Sprintf("nn: product of wrong sizes: [%d,%d] = [%d,%d]·[%d,%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	if usePortable() || a.Rows == 0 || a.Cols == 0 {
		productPortable(c, a, b)
		return
	}
	productPanels(c, a, b, s, false)
}

// usePortable reports whether there are only portable kernels: then loops over the
// views are faster than panels.
func usePortable() bool {
	level, _ := kernel.CurrentLevel()
	return level == kernel.Portable
}

// productTransposedPanels transposes B into panels, block by block, and multiplies as a
// dense layer does. It applies the scale to B: B has fewer values than C.
func productTransposedPanels(c, a, b kernel.View, scale float32, s *Scratch) {
	for j := 0; j < b.Rows; j += kernel.PanelWidth {
		keys := min(kernel.PanelWidth, b.Rows-j)
		columns := (keys + 15) &^ 15
		for i := 0; i < a.Rows; i += kernel.ChunkRows {
			rows := min(kernel.ChunkRows, a.Rows-i)
			sums := s.view(rows, columns)
			if keys == columns {
				sums = c.Slice(i, i+rows, j, j+keys)
			}
			init := zeros
			for k := 0; k < a.Cols; k += len(s.panel) {
				panel := s.panel[:min(len(s.panel), a.Cols-k)]
				if i == 0 || a.Cols > len(s.panel) { // otherwise the panel is there from the rows before
					kernel.Transpose(panel, b.Slice(j, j+keys, k, k+len(panel)), scale)
				}
				kernel.SGEMMStrided(sums, init, a.Data[i*a.Stride+k:], a.Stride, values(panel), kernel.PanelWidth, len(panel))
				init = sums
			}
			if keys < columns {
				for r := range rows {
					copy(c.Row(i + r)[j:j+keys], sums.Row(r))
				}
			}
		}
	}
}

// productPanels computes C = A·B, or C += A·B if add is true, with B in place, as a panel
// with a stride of its own. Only columns that do not fill 16 are copied to a panel. A must
// have rows and columns.
func productPanels(c, a, b kernel.View, s *Scratch, add bool) {
	for j := 0; j < b.Cols; {
		columns := 16
		if b.Cols-j >= 32 {
			columns = 32
		}
		width := min(columns, b.Cols-j)
		if width == columns {
			sums, init := c.Slice(0, c.Rows, j, j+columns), zeros
			if add {
				init = sums
			}
			kernel.SGEMMStrided(sums, init, a.Data, a.Stride, b.Data[j:], b.Stride, a.Cols)
			j += columns
			continue
		}
		for i := 0; i < a.Rows; i += kernel.ChunkRows {
			sums, init := s.view(min(kernel.ChunkRows, a.Rows-i), columns), zeros
			if add {
				for r := range sums.Rows {
					copy(sums.Row(r), c.Row(i + r)[j:j+width])
				}
				init = sums
			}
			for k := 0; k < a.Cols; k += len(s.panel) {
				panel := s.panel[:min(len(s.panel), a.Cols-k)]
				for l := range panel {
					copy(panel[l][:], b.Row(k + l)[j:])
				}
				kernel.SGEMMStrided(sums, init, a.Data[i*a.Stride+k:], a.Stride, values(panel), kernel.PanelWidth, len(panel))
				init = sums
			}
			for r := range sums.Rows {
				copy(c.Row(i + r)[j:j+width], sums.Row(r))
			}
		}
		j += width
	}
}

// view returns a view of the scratch memory for sums.
func (s *Scratch) view(rows, columns int) kernel.View {
	return kernel.View{Data: values(s.sums[:]), Rows: rows, Cols: columns, Stride: kernel.PanelWidth}
}

// values returns the values of rows as one slice. It shares memory with them.
func values(rows []kernel.PanelRow) []float32 {
	return unsafe.Slice(&rows[0][0], len(rows)*kernel.PanelWidth)
}

// productTransposedPortable is ProductTransposed in blocks of three rows of A by two of
// B, whose sums the compiler keeps in registers.
func productTransposedPortable(c, a, b kernel.View, scale float32) {
	i := 0
	for ; i+3 <= a.Rows; i += 3 {
		a0, a1, a2 := a.Row(i), a.Row(i+1), a.Row(i+2)
		c0, c1, c2 := c.Row(i), c.Row(i+1), c.Row(i+2)
		j := 0
		for ; j+2 <= b.Rows; j += 2 {
			b0, b1 := b.Row(j), b.Row(j+1)
			b0, b1, a1, a2 := b0[:len(a0)], b1[:len(a0)], a1[:len(a0)], a2[:len(a0)]
			var s00, s01, s10, s11, s20, s21 float32
			for p, x0 := range a0 {
				x1, x2, w0, w1 := a1[p], a2[p], b0[p], b1[p]
				s00 += float32(x0 * w0)
				s10 += float32(x1 * w0)
				s20 += float32(x2 * w0)
				s01 += float32(x0 * w1)
				s11 += float32(x1 * w1)
				s21 += float32(x2 * w1)
			}
			c0[j], c0[j+1] = s00*scale, s01*scale
			c1[j], c1[j+1] = s10*scale, s11*scale
			c2[j], c2[j+1] = s20*scale, s21*scale
		}
		for ; j < b.Rows; j++ {
			w := b.Row(j)
			c0[j], c1[j], c2[j] = dot(a0, w)*scale, dot(a1, w)*scale, dot(a2, w)*scale
		}
	}
	for ; i < a.Rows; i++ {
		x, dst := a.Row(i), c.Row(i)
		for j := range dst {
			dst[j] = dot(x, b.Row(j)) * scale
		}
	}
}

// dot returns the scalar product, summed in rising order as in the blocked loops.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s float32
	for p, x := range a {
		s += float32(x * b[p])
	}
	return s
}

// productPortable is Product with four rows of B at a time.
func productPortable(c, a, b kernel.View) {
	for i := range a.Rows {
		x, dst := a.Row(i), c.Row(i)
		clear(dst)
		p := 0
		for ; p+4 <= len(x); p += 4 {
			x0, x1, x2, x3 := x[p], x[p+1], x[p+2], x[p+3]
			b0, b1, b2, b3 := b.Row(p)[:len(dst)], b.Row(p + 1)[:len(dst)], b.Row(p + 2)[:len(dst)], b.Row(p + 3)[:len(dst)]
			for j, s := range dst {
				s += float32(x0 * b0[j])
				s += float32(x1 * b1[j])
				s += float32(x2 * b2[j])
				s += float32(x3 * b3[j])
				dst[j] = s
			}
		}
		for ; p < len(x); p++ {
			w := b.Row(p)[:len(dst)]
			for j := range dst {
				dst[j] += float32(x[p] * w[j])
			}
		}
	}
}
