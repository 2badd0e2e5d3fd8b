//go:build !noasm

package gemm

//go:generate sh -c "cd _generate && go run ./narrow -out ../narrow_amd64.s -stubs ../narrow_amd64.go -pkg gemm"

// narrowBlock is how many lines of a panel are multiplied before going on to the
// next rows: half of them, 16 KiB, stays in the first-level cache.
const narrowBlock = 256

func widened(dst, init View, a []uint32, stride int, panel []words) {
	if current < avx2 || len(panel) == 0 || dst.Rows == 0 {
		widenedPortable(dst, init, a, stride, panel)
		return
	}
	_ = a[(dst.Rows-1)*stride+2*len(panel)-1]
	for k := 0; k < len(panel); k += narrowBlock {
		b := panel[k:min(k+narrowBlock, len(panel))]
		widenedAVX2(dst, init, a[2*k:], stride, b)
		init = dst
	}
}

// widenedAVX2 is widened for one block: 16 columns of all rows, then the rest.
func widenedAVX2(dst, init View, a []uint32, stride int, b []words) {
	ds, ss, as, n := uintptr(dst.Stride)*4, uintptr(init.Stride)*4, uintptr(stride)*4, len(b)
	for half := 0; half < panelWidth; half += 16 {
		w := &b[0][half]
		for i, rows := 0, 0; i < dst.Rows; i += rows {
			d, s, x := &dst.Data[i*dst.Stride+half], &init.Data[i*init.Stride+half], &a[i*stride]
			rows = evenRows(dst.Rows - i)
			switch rows {
			case 1:
				widened1x16(d, ds, s, ss, x, as, w, n)
			case 2:
				widened2x16(d, ds, s, ss, x, as, w, n)
			case 3:
				widened3x16(d, ds, s, ss, x, as, w, n)
			case 4:
				widened4x16(d, ds, s, ss, x, as, w, n)
			case 5:
				widened5x16(d, ds, s, ss, x, as, w, n)
			case 6:
				widened6x16(d, ds, s, ss, x, as, w, n)
			}
		}
	}
}

// evenRows returns how many of the rows left the next call of a kernel takes: 6,
// or half of those that would leave a few.
func evenRows(left int) int {
	if left > 6 && left < 12 {
		return (left + 1) / 2
	}
	return min(left, 6)
}

func dots(dst [][panelWidth]int32, a []uint32, stride int, panel []words) {
	if current < avx2 || len(panel) == 0 || len(dst) == 0 {
		dotsPortable(dst, a, stride, panel)
		return
	}
	_ = a[(len(dst)-1)*stride+len(panel)-1]
	as := uintptr(stride) * 4
	for k := 0; k < len(panel); k += narrowBlock {
		b := panel[k:min(k+narrowBlock, len(panel))]
		for half := 0; half < panelWidth; half += 16 {
			w, n := &b[0][half], len(b)
			for i, rows := 0, 0; i < len(dst); i += rows {
				d, x := &dst[i][half], &a[i*stride+k]
				rows = evenRows(len(dst) - i)
				switch rows {
				case 1:
					dots1x16(d, x, as, w, n)
				case 2:
					dots2x16(d, x, as, w, n)
				case 3:
					dots3x16(d, x, as, w, n)
				case 4:
					dots4x16(d, x, as, w, n)
				case 5:
					dots5x16(d, x, as, w, n)
				case 6:
					dots6x16(d, x, as, w, n)
				}
			}
		}
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
