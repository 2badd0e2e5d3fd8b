package gemm

import "fmt"

// Scratch is what the small products need beside their operands. Its zero value
// is ready; it serves one goroutine at a time.
type Scratch struct {
	panel [128]line
	acc   [chunkRows]line
}

// ProductTransposed computes C[M,N] = scale · A[M,K]·B[N,K]ᵀ on the calling
// goroutine: the scores of attention, with A the queries and B the keys of one
// head. C must not overlap A or B. Sizes that do not match panic.
func ProductTransposed(c, a, b View, scale float32, s *Scratch) {
	c.check("product")
	a.check("left factor")
	b.check("right factor")
	if a.Cols != b.Cols || c.Rows != a.Rows || c.Cols != b.Rows {
		panic(fmt.Sprintf("gemm: [%d,%d] = [%d,%d]·[%d,%d]ᵀ", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	productTransposed(c, a, b, scale, s)
}

// Product computes C[M,N] = A[M,K]·B[K,N] on the calling goroutine: the
// context of attention, with A the probabilities and B the values of one head.
// C must not overlap A or B. Sizes that do not match panic.
func Product(c, a, b View, s *Scratch) {
	c.check("product")
	a.check("left factor")
	b.check("right factor")
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols {
		panic(fmt.Sprintf("gemm: [%d,%d] = [%d,%d]·[%d,%d]", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	product(c, a, b, s)
}

func productTransposedPortable(c, a, b View, scale float32) {
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

// dot sums in rising order, as the blocked loops do.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s float32
	for p, x := range a {
		s += float32(x * b[p])
	}
	return s
}

func productPortable(c, a, b View) {
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

// transposePortable writes the rows of scale·b as columns of panel, from column
// c.
func transposePortable(panel []line, b View, c int, scale float32) {
	for r := range b.Rows {
		for k, x := range b.Row(r) {
			panel[k][c+r] = x * scale
		}
	}
}
