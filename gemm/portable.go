package gemm

const (
	// chunkRows is how many rows of A one part multiplies. Their sums for one
	// panel, 6 KiB, are kept between blocks of inputs.
	chunkRows = 48
	// blockInputs is how many inputs are summed before going on to the next
	// rows: a block of a panel, 16 KiB, stays in the first-level cache.
	blockInputs = 128
	// sharedWork is the number of multiplications below which waking workers
	// costs more than it gains.
	sharedWork = 1 << 18
)

// zeros is where sums without a bias begin.
var zeros line

// accumulatePortable stores init + A·panel in dst, which has 32 columns: row i
// of A, len(panel) long, is a[i*stride:]. Every sum runs over k in rising
// order. All rows begin with the same one if init's stride is 0, and init may
// be dst.
//
// The compiler keeps at most six sums beside their products in registers, so
// the micro-kernels are 3 rows by 2 columns; 4×4, 2×8 and 1×16 spill and run at
// half the speed or less.
func accumulatePortable(dst, init View, a []float32, stride int, panel []line) {
	for i := range dst.Rows {
		copy(dst.Row(i), init.Row(i))
	}
	for k := 0; k < len(panel); k += blockInputs {
		b := panel[k:min(k+blockInputs, len(panel))]
		i := 0
		for ; i+3 <= dst.Rows; i += 3 {
			block3((*line)(dst.Row(i)), (*line)(dst.Row(i+1)), (*line)(dst.Row(i+2)), a[i*stride+k:], stride, b)
		}
		for ; i < dst.Rows; i++ {
			block1((*line)(dst.Row(i)), a[i*stride+k:], b)
		}
	}
}

// block3 adds the products of three rows of A with a block of a panel to s0, s1
// and s2.
func block3(s0, s1, s2 *line, a []float32, stride int, b []line) {
	a0, a1, a2 := a[:len(b)], a[stride:][:len(b)], a[2*stride:][:len(b)]
	for j := 0; j < panelWidth; j += 2 {
		// The mask tells the compiler what it cannot prove by itself: that no
		// index needs a bounds check.
		j := j & (panelWidth - 2)
		c00, c01 := s0[j], s0[j+1]
		c10, c11 := s1[j], s1[j+1]
		c20, c21 := s2[j], s2[j+1]
		for p := range b {
			w0, w1 := b[p][j], b[p][j+1]
			x0, x1, x2 := a0[p], a1[p], a2[p]
			c00 += float32(x0 * w0)
			c10 += float32(x1 * w0)
			c20 += float32(x2 * w0)
			c01 += float32(x0 * w1)
			c11 += float32(x1 * w1)
			c21 += float32(x2 * w1)
		}
		s0[j], s0[j+1] = c00, c01
		s1[j], s1[j+1] = c10, c11
		s2[j], s2[j+1] = c20, c21
	}
}

// block1 adds the products of one row of A with a block of a panel to acc.
func block1(acc *line, a []float32, b []line) {
	a = a[:len(b)]
	for j := 0; j < panelWidth; j += 4 {
		j := j & (panelWidth - 4)
		c0, c1, c2, c3 := acc[j], acc[j+1], acc[j+2], acc[j+3]
		for p := range b {
			x, w := a[p], &b[p]
			c0 += float32(x * w[j])
			c1 += float32(x * w[j+1])
			c2 += float32(x * w[j+2])
			c3 += float32(x * w[j+3])
		}
		acc[j], acc[j+1], acc[j+2], acc[j+3] = c0, c1, c2, c3
	}
}
