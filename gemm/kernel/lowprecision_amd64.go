//go:build !noasm

package kernel

import "unsafe"

// lowPrecisionBlock is the number of rows of a low-precision panel that are
// multiplied before going on to the next rows of A: 16 KiB of half rows, which stay
// in the first-level cache.
const lowPrecisionBlock = 256

// BFloat16Pairs reports whether BF16GEMM wants activations packed in pairs, by
// PackActivations, and not one in a word, by RoundActivations.
func BFloat16Pairs() bool { return current >= AVX512 && hasFastBF16 }

// BF16GEMM computes dst = init + A·panel, where dst has 32 columns and row i of A is
// a[i*aStride:], as PackActivations or RoundActivations made it; see BFloat16Pairs.
// With init.Stride 0 all rows begin with the same row of init. init may be dst.
// uncached says that the panel comes from beyond the caches.
func BF16GEMM(dst, init View, a []uint32, aStride int, panel []WordRow, uncached bool) {
	if current < AVX2 || len(panel) == 0 || dst.Rows == 0 {
		bf16gemmPortable(dst, init, a, aStride, panel)
		return
	}
	pairs, s, wordsPerRow := BFloat16Pairs(), shapeAVX2, 2
	if pairs {
		wordsPerRow = 1
	}
	if current >= AVX512 {
		s = shapeAVX512
	}
	_ = a[(dst.Rows-1)*aStride+wordsPerRow*len(panel)-1]
	ds, as := uintptr(dst.Stride)*4, uintptr(aStride)*4
	for k := 0; k < len(panel); k += lowPrecisionBlock {
		block := panel[k:min(k+lowPrecisionBlock, len(panel))]
		is := uintptr(init.Stride) * 4
		for col := 0; col < PanelWidth; col += s.columns {
			b, n := &block[0][col], len(block)
			plan := prefetch{panel: uncached}.plan(dst.Rows, unsafe.Pointer(b), n)
			for i, rows := 0, 0; i < dst.Rows; i += rows {
				rows = s.rows(dst.Rows - i)
				d, from, x := &dst.Data[i*dst.Stride+col], &init.Data[i*init.Stride+col], &a[i*aStride+wordsPerRow*k]
				if current < AVX512 {
					bf16gemmMx16AVX2(rows, d, ds, from, is, x, as, b, n)
					continue
				}
				next, step := plan.next(n)
				switch {
				case pairs && next == 0:
					bf16gemmMx32AVX512(rows, d, ds, from, is, x, as, b, n)
				case pairs:
					bf16gemmMx32AVX512Prefetch(rows, d, ds, from, is, x, as, b, n, next, step)
				case next == 0:
					bf16gemmMx32WideAVX512(rows, d, ds, from, is, x, as, b, n)
				default:
					bf16gemmMx32WideAVX512Prefetch(rows, d, ds, from, is, x, as, b, n, next, step)
				}
			}
		}
		init = dst
	}
}

// IGEMMU8S8 computes dst += A·panel in int32, where row i of A is a[i*aStride:], uint8
// as QuantiseActivations made them, and the panel holds int8. uncached says that the
// panel comes from beyond the caches.
func IGEMMU8S8(dst [][PanelWidth]int32, a []uint32, aStride int, panel []WordRow, uncached bool) {
	if current < AVX2 || len(panel) == 0 || len(dst) == 0 {
		igemmU8S8Portable(dst, a, aStride, panel)
		return
	}
	vnni, s := current >= AVX512 && hasVNNI, shapeAVX2
	if vnni {
		s = shapeAVX512
	}
	_ = a[(len(dst)-1)*aStride+len(panel)-1]
	const ds = PanelWidth * 4
	as := uintptr(aStride) * 4
	for k := 0; k < len(panel); k += lowPrecisionBlock {
		block := panel[k:min(k+lowPrecisionBlock, len(panel))]
		for col := 0; col < PanelWidth; col += s.columns {
			b, n := &block[0][col], len(block)
			plan := prefetch{panel: uncached}.plan(len(dst), unsafe.Pointer(b), n)
			for i, rows := 0, 0; i < len(dst); i += rows {
				rows = s.rows(len(dst) - i)
				d, x := &dst[i][col], &a[i*aStride+k]
				if !vnni {
					igemmMx16U8S8AVX2(rows, d, ds, d, ds, x, as, b, n)
				} else if next, step := plan.next(n); next == 0 {
					igemmMx32U8S8AVX512(rows, d, ds, d, ds, x, as, b, n)
				} else {
					igemmMx32U8S8AVX512Prefetch(rows, d, ds, d, ds, x, as, b, n, next, step)
				}
			}
		}
	}
}

// MinMax returns the smallest and the largest of 0 and the values of x. high is NaN if
// a value is not finite.
func MinMax(x []float32) (low, high float32) {
	whole := 0
	if current >= AVX2 {
		if whole = len(x) &^ 7; whole > 0 {
			low, high = minMaxAVX2(&x[0], whole)
		}
	}
	l, h := minMaxPortable(x[whole:])
	if h != h {
		return l, h
	}
	return min(low, l), max(high, h)
}

// QuantiseActivations stores x·inverse + zero in dst, rounded to integers from 0 to
// 255, four in a word.
func QuantiseActivations(dst []uint32, x []float32, inverse float32, zero int32) {
	whole := 0
	if current >= AVX2 {
		if whole = len(x) &^ 31; whole > 0 {
			_ = dst[whole/4-1]
			quantiseActivationsAVX2(&dst[0], &x[0], whole, inverse, zero)
		}
	}
	quantiseActivationsPortable(dst[whole/4:], x[whole:], inverse, zero)
}

// Dequantise stores (sums - zero·totals)·scale·steps + init in dst, which has at most 32
// columns, and one row for each of sums. zeros and scales have a value for each row. With
// init.Stride 0 all rows have the same row of init.
func Dequantise(dst, init View, sums [][PanelWidth]int32, totals *[PanelWidth]int32, steps *PanelRow, zeros []int32, scales []float32) {
	if current < AVX2 || dst.Cols != PanelWidth || dst.Rows == 0 {
		dequantiseRowsPortable(dst, init, sums, totals, steps, zeros, scales)
		return
	}
	sums, zeros, scales = sums[:dst.Rows], zeros[:dst.Rows], scales[:dst.Rows]
	if current >= AVX512 {
		dequantiseAVX512(&dst.Data[0], uintptr(dst.Stride)*4, &init.Data[0], uintptr(init.Stride)*4, &sums[0][0], &totals[0], &steps[0], &zeros[0], &scales[0], dst.Rows)
		return
	}
	for i := range sums {
		dequantiseAVX2(&dst.Data[i*dst.Stride], &sums[i][0], &totals[0], &steps[0], &init.Data[i*init.Stride], zeros[i], scales[i])
	}
}

// RoundActivations stores x in dst as float32 rounded to bfloat16.
func RoundActivations(dst []uint32, x []float32) {
	whole := 0
	if current >= AVX2 {
		if whole = len(x) &^ 7; whole > 0 {
			_ = dst[whole-1]
			roundActivationsAVX2(&dst[0], &x[0], whole)
		}
	}
	roundActivationsPortable(dst[whole:], x[whole:])
}

// PackActivations stores x in dst as bfloat16, two in a word.
func PackActivations(dst []uint32, x []float32) {
	whole := 0
	if current >= AVX2 {
		if whole = len(x) &^ 15; whole > 0 {
			_ = dst[whole/2-1]
			packActivationsAVX2(&dst[0], &x[0], whole)
		}
	}
	packActivationsPortable(dst[whole/2:], x[whole:])
}

// ColumnMaxAbs stores the largest magnitude of each column in dst, or NaN where a
// value is not finite.
func ColumnMaxAbs(dst *PanelRow, rows []PanelRow) {
	if current < AVX2 || len(rows) == 0 {
		columnMaxAbsPortable(dst, rows)
		return
	}
	columnMaxAbsAVX2(&dst[0], &rows[0][0], len(rows))
}

// QuantiseWeights turns 4·len(dst) panel rows into int8: each weight times the inverse
// of its column, rounded. It adds the integers of each column to totals.
func QuantiseWeights(dst []WordRow, totals *[PanelWidth]int32, rows []PanelRow, inverses *PanelRow) {
	if current < AVX2 || len(dst) == 0 {
		quantiseWeightsPortable(dst, totals, rows, inverses)
		return
	}
	_ = rows[4*len(dst)-1]
	quantiseWeightsAVX2(&dst[0][0], &totals[0], &rows[0][0], &inverses[0], len(dst))
}

// PackWeights turns 2·len(dst) panel rows into bfloat16.
func PackWeights(dst []WordRow, rows []PanelRow) {
	if current < AVX2 || len(dst) == 0 {
		packWeightsPortable(dst, rows)
		return
	}
	_ = rows[2*len(dst)-1]
	packWeightsAVX2(&dst[0][0], &rows[0][0], len(dst))
}
