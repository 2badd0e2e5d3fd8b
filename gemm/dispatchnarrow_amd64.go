//go:build !noasm

package gemm

import "unsafe"

//go:generate sh -c "cd _generate && go run ./narrow -out ../narrow_amd64.s -stubs ../narrow_amd64.go -pkg gemm"

// narrowBlock is how many lines of a panel are multiplied before going on to the
// next rows: half of them, 16 KiB, stays in the first-level cache.
const narrowBlock = 256

// shape is what one call of a kernel computes: some columns of a panel, for up
// to most rows.
type shape struct{ columns, most int }

var (
	shapeAVX2   = shape{16, 6}
	shapeAVX512 = shape{32, 12}
)

// rows returns how many of the rows left the next call takes: the most, or half
// of those that would leave a few.
func (s shape) rows(left int) int {
	if left > s.most && left < 2*s.most {
		return (left + 1) / 2
	}
	return min(left, s.most)
}

// pairedActivations tells whether activations for bfloat16 products are packed
// by two.
func pairedActivations() bool { return current >= avx512 && hasBF16 }

// widened stores init + A·panel in dst, for bfloat16. A cold panel comes from
// beyond the caches.
func widened(dst, init View, a []uint32, stride int, panel []words, cold bool) {
	if current < avx2 || len(panel) == 0 || dst.Rows == 0 {
		widenedPortable(dst, init, a, stride, panel)
		return
	}
	s, perLine := shapeAVX2, 2
	if pairedActivations() {
		s, perLine = shapeAVX512, 1
	}
	_ = a[(dst.Rows-1)*stride+perLine*len(panel)-1]
	ds, as := uintptr(dst.Stride)*4, uintptr(stride)*4
	for k := 0; k < len(panel); k += narrowBlock {
		block := panel[k:min(k+narrowBlock, len(panel))]
		is := uintptr(init.Stride) * 4
		for col := 0; col < panelWidth; col += s.columns {
			b, n := &block[0][col], len(block)
			plan := planFetches(dst.Rows, (*float32)(unsafe.Pointer(b)), n, fetches{near: cold})
			for i, rows := 0, 0; i < dst.Rows; i += rows {
				rows = s.rows(dst.Rows - i)
				d, from, x := &dst.Data[i*dst.Stride+col], &init.Data[i*init.Stride+col], &a[i*stride+perLine*k]
				if s == shapeAVX2 {
					widenedAVX2(rows, d, ds, from, is, x, as, b, n)
				} else if next, step := plan.next(n); next == 0 {
					pairsAVX512(rows, d, ds, from, is, x, as, b, n)
				} else {
					pairsAVX512Ahead(rows, d, ds, from, is, x, as, b, n, next, step)
				}
			}
		}
		init = dst
	}
}

func widenedAVX2(rows int, dst *float32, ds uintptr, src *float32, ss uintptr, a *uint32, as uintptr, b *uint32, k int) {
	switch rows {
	case 1:
		widened1x16(dst, ds, src, ss, a, as, b, k)
	case 2:
		widened2x16(dst, ds, src, ss, a, as, b, k)
	case 3:
		widened3x16(dst, ds, src, ss, a, as, b, k)
	case 4:
		widened4x16(dst, ds, src, ss, a, as, b, k)
	case 5:
		widened5x16(dst, ds, src, ss, a, as, b, k)
	case 6:
		widened6x16(dst, ds, src, ss, a, as, b, k)
	}
}

// dots adds A·panel to dst, for int8. A cold panel comes from beyond the caches.
func dots(dst [][panelWidth]int32, a []uint32, stride int, panel []words, cold bool) {
	if current < avx2 || len(panel) == 0 || len(dst) == 0 {
		dotsPortable(dst, a, stride, panel)
		return
	}
	s := shapeAVX2
	if current >= avx512 && hasVNNI {
		s = shapeAVX512
	}
	_ = a[(len(dst)-1)*stride+len(panel)-1]
	const ds = panelWidth * 4
	as := uintptr(stride) * 4
	for k := 0; k < len(panel); k += narrowBlock {
		block := panel[k:min(k+narrowBlock, len(panel))]
		for col := 0; col < panelWidth; col += s.columns {
			b, n := &block[0][col], len(block)
			plan := planFetches(len(dst), (*float32)(unsafe.Pointer(b)), n, fetches{near: cold})
			for i, rows := 0, 0; i < len(dst); i += rows {
				rows = s.rows(len(dst) - i)
				d, x := &dst[i][col], &a[i*stride+k]
				if s == shapeAVX2 {
					dotsAVX2(rows, d, ds, d, ds, x, as, b, n)
				} else if next, step := plan.next(n); next == 0 {
					dotsAVX512(rows, d, ds, d, ds, x, as, b, n)
				} else {
					dotsAVX512Ahead(rows, d, ds, d, ds, x, as, b, n, next, step)
				}
			}
		}
	}
}

func dotsAVX2(rows int, dst *int32, ds uintptr, src *int32, ss uintptr, a *uint32, as uintptr, b *uint32, k int) {
	switch rows {
	case 1:
		dots1x16(dst, ds, src, ss, a, as, b, k)
	case 2:
		dots2x16(dst, ds, src, ss, a, as, b, k)
	case 3:
		dots3x16(dst, ds, src, ss, a, as, b, k)
	case 4:
		dots4x16(dst, ds, src, ss, a, as, b, k)
	case 5:
		dots5x16(dst, ds, src, ss, a, as, b, k)
	case 6:
		dots6x16(dst, ds, src, ss, a, as, b, k)
	}
}

func spanOf(x []float32) (low, high float32) {
	whole := 0
	if current >= avx2 {
		if whole = len(x) &^ 7; whole > 0 {
			low, high = spanRow(&x[0], whole)
		}
	}
	l, h := spanPortable(x[whole:])
	if h != h {
		return l, h
	}
	return min(low, l), max(high, h)
}

func quantise(dst []uint32, x []float32, inverse float32, zero int32) {
	whole := 0
	if current >= avx2 {
		if whole = len(x) &^ 31; whole > 0 {
			_ = dst[whole/4-1]
			quantiseRow(&dst[0], &x[0], whole, inverse, zero)
		}
	}
	quantisePortable(dst[whole/4:], x[whole:], inverse, zero)
}

func dequantise(dst []float32, sums, totals *[panelWidth]int32, steps, bias *line, zero int32, scale float32) {
	if current < avx2 || len(dst) != panelWidth {
		dequantisePortable(dst, sums, totals, steps, bias, zero, scale)
		return
	}
	dequantiseRow(&dst[0], &sums[0], &totals[0], &steps[0], &bias[0], zero, scale)
}

func roundRows(dst []uint32, x []float32) {
	whole := 0
	if current >= avx2 {
		if whole = len(x) &^ 7; whole > 0 {
			_ = dst[whole-1]
			roundRow(&dst[0], &x[0], whole)
		}
	}
	roundPortable(dst[whole:], x[whole:])
}

func pairRows(dst []uint32, x []float32) {
	whole := 0
	if current >= avx2 {
		if whole = len(x) &^ 15; whole > 0 {
			_ = dst[whole/2-1]
			pairRow(&dst[0], &x[0], whole)
		}
	}
	pairPortable(dst[whole/2:], x[whole:])
}

func largestColumns(dst *line, lines []line) {
	if current < avx2 || len(lines) == 0 {
		largestPortable(dst, lines)
		return
	}
	largestLines(&dst[0], &lines[0][0], len(lines))
}

func narrowInt8(dst []words, totals *[panelWidth]int32, lines []line, inverses *line) {
	if current < avx2 || len(dst) == 0 {
		narrowInt8Portable(dst, totals, lines, inverses)
		return
	}
	_ = lines[4*len(dst)-1]
	narrowInt8Lines(&dst[0][0], &totals[0], &lines[0][0], &inverses[0], len(dst))
}

func narrowBFloat16(dst []words, lines []line) {
	if current < avx2 || len(dst) == 0 {
		narrowBFloat16Portable(dst, lines)
		return
	}
	_ = lines[2*len(dst)-1]
	narrowBFloat16Lines(&dst[0][0], &lines[0][0], len(dst))
}
