package kernel

// portableBlock is the number of panel rows that the portable kernels sum before
// they go on to the next rows of A: 16 KiB, which stay in the first-level cache.
const portableBlock = 128

// sgemmPortable computes dst = init + A·panel, where dst has 32 columns and row i of
// A, len(panel) long, is a[i*aStride:]. Every sum runs over k in rising order. With
// init.Stride 0 all rows begin with the same row of init. init may be dst.
//
// The compiler keeps at most six sums beside their products in registers, so the
// inner loops take 3 rows by 2 columns. Loops of 4×4, 2×8 and 1×16 spill registers
// and run at half the speed or less.
func sgemmPortable(dst, init View, a []float32, aStride int, panel []PanelRow) {
	for i := range dst.Rows {
		copy(dst.Row(i), init.Row(i))
	}
	for k := 0; k < len(panel); k += portableBlock {
		b := panel[k:min(k+portableBlock, len(panel))]
		i := 0
		for ; i+3 <= dst.Rows; i += 3 {
			addProducts3((*PanelRow)(dst.Row(i)), (*PanelRow)(dst.Row(i+1)), (*PanelRow)(dst.Row(i+2)), a[i*aStride+k:], aStride, b)
		}
		for ; i < dst.Rows; i++ {
			addProducts1((*PanelRow)(dst.Row(i)), a[i*aStride+k:], b)
		}
	}
}

// addProducts3 adds the products of three rows of A with a block of a panel to s0,
// s1 and s2.
func addProducts3(s0, s1, s2 *PanelRow, a []float32, aStride int, b []PanelRow) {
	a0, a1, a2 := a[:len(b)], a[aStride:][:len(b)], a[2*aStride:][:len(b)]
	for j := 0; j < PanelWidth; j += 2 {
		// The mask tells the compiler that no index needs a bounds check, which it
		// cannot prove by itself.
		j := j & (PanelWidth - 2)
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

// addProducts1 adds the products of one row of A with a block of a panel to sums.
func addProducts1(sums *PanelRow, a []float32, b []PanelRow) {
	a = a[:len(b)]
	for j := 0; j < PanelWidth; j += 4 {
		j := j & (PanelWidth - 4)
		c0, c1, c2, c3 := sums[j], sums[j+1], sums[j+2], sums[j+3]
		for p := range b {
			x, w := a[p], &b[p]
			c0 += float32(x * w[j])
			c1 += float32(x * w[j+1])
			c2 += float32(x * w[j+2])
			c3 += float32(x * w[j+3])
		}
		sums[j], sums[j+1], sums[j+2], sums[j+3] = c0, c1, c2, c3
	}
}

// sgemmStridedPortable is the reference of SGEMMStrided.
func sgemmStridedPortable(dst, init View, a []float32, aStride int, b []float32, bStride, k int) {
	for i := range dst.Rows {
		row, x := dst.Row(i), a[i*aStride:]
		copy(row, init.Row(i))
		for p, x := range x[:k] {
			for j, w := range b[p*bStride:][:len(row)] {
				row[j] += float32(x * w)
			}
		}
	}
}

// transposePortable writes the rows of scale·b as columns of panel, from the given
// column on.
func transposePortable(panel []PanelRow, b View, column int, scale float32) {
	for r := range b.Rows {
		for k, x := range b.Row(r) {
			panel[k][column+r] = x * scale
		}
	}
}

// addPortable stores x + y in dst. All are equally long.
func addPortable(dst, x, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}
