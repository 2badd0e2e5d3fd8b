//go:build !noasm

package kernel

import "unsafe"

// SoftmaxBackward replaces dp, the gradient of probabilities p, by scale·p ∘ (dp - Σ p·dp).
// Both are equally long.
func SoftmaxBackward(dp, p []float32, scale float32) {
	if current < AVX512 || len(dp) == 0 {
		softmaxBackwardPortable(dp, p, scale)
		return
	}
	p = p[:len(dp)]
	softmaxBackwardAVX512(&dp[0], &p[0], len(dp), scale)
}

// GELUBackward multiplies dy by the derivatives of GELU at x.
func GELUBackward(dy, x []float32) {
	backward(dy, x, geluBackwardAVX512, geluBackwardAVX2, geluBackwardPortable)
}

// GELUTanhBackward multiplies dy by the derivatives of GELUTanh at x.
func GELUTanhBackward(dy, x []float32) {
	backward(dy, x, geluTanhBackwardAVX512, geluTanhBackwardAVX2, geluTanhBackwardPortable)
}

// TanhBackward multiplies dy by the derivatives of Tanh at x.
func TanhBackward(dy, x []float32) {
	backward(dy, x, tanhBackwardAVX512, tanhBackwardAVX2, tanhBackwardPortable)
}

// backward runs the kernel of an activation's gradient. For AVX2, the values that do not fill
// a vector are padded to one: a result must not depend on the place of the value.
func backward(dy, x []float32, avx512, avx2 func(dy, x *float32, n int), portable func(dy, x []float32)) {
	switch {
	case current < AVX2 || len(x) == 0:
		portable(dy, x)
		return
	case current >= AVX512:
		dy = dy[:len(x)]
		avx512(&dy[0], &x[0], len(x))
		return
	}
	if n := len(x) &^ 7; n > 0 {
		avx2(&dy[0], &x[0], n)
	}
	if len(x)%8 > 0 {
		padded, _ := lastVector(x)
		gradients, tail := lastVector(dy[:len(x)])
		avx2(&gradients[0], &padded[0], len(padded))
		copy(tail, gradients[:])
	}
}

// LayerNormBackward computes the gradient of a layer norm's input; see nn.LayerNormBackward.
// It returns the mean of x and 1/√(variance + eps). All slices are equally long.
func LayerNormBackward(dx, dy, x, gamma []float32, eps float32, add bool) (mean, inverse float32) {
	if current < AVX2 || len(x) == 0 || current < AVX512 && len(x)%8 != 0 {
		return layerNormBackwardPortable(dx, dy, x, gamma, eps, add)
	}
	var stats [2]float32
	var mask uint32
	if add {
		mask = 1<<32 - 1
	}
	dx, dy, gamma = dx[:len(x)], dy[:len(x)], gamma[:len(x)]
	if current >= AVX512 {
		layerNormBackwardAVX512(&dx[0], &dy[0], &x[0], &gamma[0], &stats[0], len(x), eps, mask)
	} else {
		layerNormBackwardAVX2(&dx[0], &dy[0], &x[0], &gamma[0], &stats[0], len(x), eps, mask)
	}
	return stats[0], stats[1]
}

// LayerNormParameters adds Σ dy·(x - mean)·inverse over the rows of dy and x to gamma, in
// order. stats has a mean and an inverse for each row. All have the same columns.
func LayerNormParameters(gamma []float32, dy, x View, stats [][2]float32) {
	whole := 0
	if current >= AVX2 && len(stats) > 0 {
		for ; whole+PanelWidth <= len(gamma); whole += PanelWidth {
			layerNormParameters32AVX2(&gamma[whole], &dy.Data[whole], &x.Data[whole], uintptr(dy.Stride)*4, uintptr(x.Stride)*4, &stats[0][0], len(stats))
		}
	}
	if whole < len(gamma) {
		layerNormParametersPortable(gamma[whole:], dy.Slice(0, dy.Rows, whole, dy.Cols), x.Slice(0, x.Rows, whole, x.Cols), stats)
	}
}

// ColumnSums adds the rows of x to sums, in order.
func ColumnSums(sums []float32, x View) {
	whole := 0
	if current >= AVX2 && x.Rows > 0 {
		for ; whole+PanelWidth <= x.Cols; whole += PanelWidth {
			columnSums32AVX2(&sums[whole], &x.Data[whole], uintptr(x.Stride)*4, x.Rows)
		}
	}
	if whole < x.Cols {
		columnSumsPortable(sums[whole:], x.Slice(0, x.Rows, whole, x.Cols))
	}
}

// Dots stores the scalar products of x with rows of y in dst, which has one for each. The
// length of x is a multiple of 16, and y can be read so far.
func Dots(dst, x []float32, y View, rows []int32) {
	if current < AVX2 || len(x) == 0 {
		dotsPortable(dst, x, y, rows)
		return
	}
	var sums [4]float32
	row := func(r int32) *float32 { return &y.Data[int(r)*y.Stride:][:len(x)][0] }
	for i := 0; i < len(rows); i += 4 {
		// A scalar product has the same bits at any place among the four.
		r := [4]int32{rows[i], rows[i], rows[i], rows[i]}
		n := copy(r[:], rows[i:])
		dot4AVX2(&sums[0], &x[0], row(r[0]), row(r[1]), row(r[2]), row(r[3]), len(x))
		copy(dst[i:], sums[:n])
	}
}

// TransposeTo writes the rows of src as columns of dst.
func TransposeTo(dst, src View) {
	if current < AVX2 {
		transposeToPortable(dst, src)
		return
	}
	r, whole := 0, src.Cols&^7
	for ; r+8 <= src.Rows; r += 8 {
		if whole > 0 {
			transposeTo8AVX2(&dst.Data[r], &src.Data[r*src.Stride], uintptr(dst.Stride)*4, uintptr(src.Stride)*4, whole)
		}
		if whole < src.Cols {
			transposeToPortable(dst.Slice(whole, dst.Rows, r, r+8), src.Slice(r, r+8, whole, src.Cols))
		}
	}
	if r < src.Rows {
		transposeToPortable(dst.Slice(0, dst.Rows, r, src.Rows), src.Slice(r, src.Rows, 0, src.Cols))
	}
}

// Prefetch fetches rows of a panel into the second-level cache.
func Prefetch(rows []PanelRow) {
	if current >= AVX2 && len(rows) > 0 {
		prefetchAVX2((*byte)(unsafe.Pointer(&rows[0])), len(rows)*panelRowBytes)
	}
}

// AdamW updates x with the gradients g and the moments m and v; see AdamWStep. All are
// equally long.
func AdamW(x, m, v, g []float32, s *AdamWStep) {
	if current < AVX2 {
		adamWPortable(x, m, v, g, s)
		return
	}
	numbers := (*float32)(unsafe.Pointer(s))
	if n := len(x) &^ 7; n > 0 {
		adamWAVX2(&x[0], &m[0], &v[0], &g[0], n, numbers)
	}
	if len(x)%8 > 0 {
		px, tx := lastVector(x)
		pm, tm := lastVector(m[:len(x)])
		pv, tv := lastVector(v[:len(x)])
		pg, _ := lastVector(g[:len(x)])
		adamWAVX2(&px[0], &pm[0], &pv[0], &pg[0], len(px), numbers)
		copy(tx, px[:])
		copy(tm, pm[:])
		copy(tv, pv[:])
	}
}
