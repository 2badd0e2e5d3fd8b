//go:build !noasm

package kernel

// ExpSum replaces x by exp(x - max) and returns the sum of the results, which is the
// denominator of softmax; 0 if x is empty.
func ExpSum(x []float32) float32 {
	switch {
	case current < AVX2 || len(x) == 0:
		return expSumPortable(x)
	case current < AVX512:
		return expSumAVX2(&x[0], len(x))
	}
	return expSumAVX512(&x[0], len(x))
}

// Scale multiplies all values of x by factor.
func Scale(x []float32, factor float32) {
	switch {
	case current < AVX2 || len(x) == 0:
		scalePortable(x, factor)
	case current < AVX512:
		if n := len(x) &^ 7; n > 0 {
			scaleAVX2(&x[0], n, factor)
		}
		scalePortable(x[len(x)&^7:], factor)
	default:
		scaleAVX512(&x[0], len(x), factor)
	}
}

// LayerNorm replaces x by (x - mean) / √(variance + eps) · gamma + beta. All are
// equally long.
func LayerNorm(x, gamma, beta []float32, eps float32) {
	switch {
	case current < AVX2 || len(x) == 0 || current < AVX512 && len(x)%8 != 0:
		layerNormPortable(x, gamma, beta, eps)
	case current < AVX512:
		layerNormAVX2(&x[0], &gamma[0], &beta[0], len(x), eps)
	default:
		layerNormAVX512(&x[0], &gamma[0], &beta[0], len(x), eps)
	}
}

// GELU replaces x by x/2 · (1 + erf(x/√2)).
func GELU(x View) {
	if x.Rows == 0 || x.Cols == 0 {
		return
	}
	if current >= AVX512 {
		geluAVX512(&x.Data[0], x.Cols, x.Rows, uintptr(x.Stride)*4)
		return
	}
	for i := range x.Rows {
		row := x.Row(i)
		if current < AVX2 {
			geluPortable(row)
			continue
		}
		if whole := len(row) &^ 7; whole > 0 {
			geluAVX2(&row[0], whole)
		}
		if len(row)%8 > 0 {
			padded, tail := lastVector(row)
			geluAVX2(&padded[0], len(padded))
			copy(tail, padded[:])
		}
	}
}

// GELUTanh replaces x by x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).
func GELUTanh(x View) {
	if x.Rows == 0 || x.Cols == 0 {
		return
	}
	if current >= AVX512 {
		geluTanhAVX512(&x.Data[0], x.Cols, x.Rows, uintptr(x.Stride)*4)
		return
	}
	for i := range x.Rows {
		row := x.Row(i)
		if current < AVX2 {
			geluTanhPortable(row)
			continue
		}
		if whole := len(row) &^ 7; whole > 0 {
			geluTanhAVX2(&row[0], whole)
		}
		if len(row)%8 > 0 {
			padded, tail := lastVector(row)
			geluTanhAVX2(&padded[0], len(padded))
			copy(tail, padded[:])
		}
	}
}

// Tanh replaces x by tanh(x).
func Tanh(x View) {
	if x.Rows == 0 || x.Cols == 0 {
		return
	}
	if current >= AVX512 {
		tanhAVX512(&x.Data[0], x.Cols, x.Rows, uintptr(x.Stride)*4)
		return
	}
	for i := range x.Rows {
		row := x.Row(i)
		if current < AVX2 {
			tanhPortable(row)
			continue
		}
		if whole := len(row) &^ 7; whole > 0 {
			tanhAVX2(&row[0], whole)
		}
		if len(row)%8 > 0 {
			padded, tail := lastVector(row)
			tanhAVX2(&padded[0], len(padded))
			copy(tail, padded[:])
		}
	}
}

// lastVector returns the values of x that do not fill a vector, as they are and padded
// to one. They need the same kernel as the others: the result of a value must not
// depend on its place.
func lastVector(x []float32) (padded [8]float32, tail []float32) {
	tail = x[len(x)&^7:]
	copy(padded[:], tail)
	return padded, tail
}
