package kernel

import "math"

// nearestBFloat16 rounds to the nearest bfloat16, ties to even.
func nearestBFloat16(x float32) uint16 {
	if x != x {
		return 0x7fc0
	}
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// roundActivationsPortable stores x in dst as float32 rounded to bfloat16.
func roundActivationsPortable(dst []uint32, x []float32) {
	for i, v := range x {
		dst[i] = uint32(nearestBFloat16(v)) << 16
	}
}

// packActivationsPortable stores x in dst as bfloat16, two in a word.
func packActivationsPortable(dst []uint32, x []float32) {
	for i, v := range x {
		if i%2 == 0 {
			dst[i/2] = uint32(nearestBFloat16(v))
		} else {
			dst[i/2] |= uint32(nearestBFloat16(v)) << 16
		}
	}
}

// packWeightsPortable turns 2·len(dst) panel rows into bfloat16.
func packWeightsPortable(dst []WordRow, rows []PanelRow) {
	for i := range dst {
		for j := range PanelWidth {
			dst[i][j] = uint32(nearestBFloat16(rows[2*i][j])) | uint32(nearestBFloat16(rows[2*i+1][j]))<<16
		}
	}
}

// bf16gemmPortable computes dst = init + A·panel, where dst has 32 columns and row i
// of A is a[i*aStride:]: float32 that bfloat16 can represent, two for each row of the
// panel. Every sum runs over the inputs in rising order. With init.Stride 0 all rows
// begin with the same row of init. init may be dst.
func bf16gemmPortable(dst, init View, a []uint32, aStride int, panel []WordRow) {
	for i := range dst.Rows {
		sums := (*PanelRow)(dst.Row(i))
		copy(sums[:], init.Row(i))
		x := a[i*aStride:][:2*len(panel)]
		for k := range panel {
			x0, x1 := math.Float32frombits(x[2*k]), math.Float32frombits(x[2*k+1])
			for j, w := range &panel[k] {
				s := sums[j] + float32(x0*math.Float32frombits(w<<16))
				sums[j] = s + float32(x1*math.Float32frombits(w&0xffff0000))
			}
		}
	}
}

// roundToInt rounds to the nearest integer, ties to even, for magnitudes below 2²².
func roundToInt(x float32) int32 {
	const shift = 3 << 22 // a float32 of this magnitude has no fraction
	return int32(float32(x+shift) - shift)
}

// minMaxPortable returns the smallest and the largest of 0 and the values of x. high
// is NaN if a value is not finite.
func minMaxPortable(x []float32) (low, high float32) {
	var notFinite float32
	for _, v := range x {
		low, high = min(low, v), max(high, v)
		notFinite += v - v // 0, or NaN if v is not finite
	}
	return low, high + notFinite
}

// quantiseActivationsPortable stores x·inverse + zero in dst, rounded to integers from
// 0 to 255, four in a word.
func quantiseActivationsPortable(dst []uint32, x []float32, inverse float32, zero int32) {
	for i, v := range x {
		level := uint32(max(0, min(255, roundToInt(float32(v*inverse))+zero)))
		if i%4 == 0 {
			dst[i/4] = level
		} else {
			dst[i/4] |= level << (i % 4 * 8)
		}
	}
}

// igemmU8S8Portable computes dst += A·panel: row i of A is a[i*aStride:], four uint8 in
// a word, and the panel holds int8.
func igemmU8S8Portable(dst [][PanelWidth]int32, a []uint32, aStride int, panel []WordRow) {
	for i := range dst {
		sums := &dst[i]
		for k := range panel {
			x := a[i*aStride+k]
			x0, x1, x2, x3 := int32(x&0xff), int32(x>>8&0xff), int32(x>>16&0xff), int32(x>>24)
			for j, w := range &panel[k] {
				sums[j] += x0*int32(int8(w)) + x1*int32(int8(w>>8)) + x2*int32(int8(w>>16)) + x3*int32(int8(w>>24))
			}
		}
	}
}

// dequantiseRowsPortable stores (sums - zero·totals)·scale·steps + init in the rows of
// dst.
func dequantiseRowsPortable(dst, init View, sums [][PanelWidth]int32, totals *[PanelWidth]int32, steps *PanelRow, zeros []int32, scales []float32) {
	for i := range dst.Rows {
		dequantisePortable(dst.Row(i), init.Row(i), &sums[i], totals, steps, zeros[i], scales[i])
	}
}

// dequantisePortable stores (sums - zero·totals)·scale·steps + init in dst.
func dequantisePortable(dst, init []float32, sums, totals *[PanelWidth]int32, steps *PanelRow, zero int32, scale float32) {
	for j := range dst {
		dst[j] = float32(float32(float32(sums[j]-zero*totals[j])*scale)*steps[j]) + init[j]
	}
}

// columnMaxAbsPortable stores the largest magnitude of each column in dst, or NaN
// where a value is not finite.
func columnMaxAbsPortable(dst *PanelRow, rows []PanelRow) {
	var largest, notFinite PanelRow
	for k := range rows {
		for j, v := range &rows[k] {
			v = max(v, -v)
			largest[j] = max(largest[j], v)
			notFinite[j] += v - v
		}
	}
	for j := range dst {
		dst[j] = largest[j] + notFinite[j]
	}
}

// quantiseWeightsPortable turns 4·len(dst) panel rows into int8: each weight times the
// inverse of its column, rounded. It adds the integers of each column to totals.
func quantiseWeightsPortable(dst []WordRow, totals *[PanelWidth]int32, rows []PanelRow, inverses *PanelRow) {
	for i := range dst {
		for j := range PanelWidth {
			var word uint32
			for in := range 4 {
				level := roundToInt(float32(rows[4*i+in][j] * inverses[j]))
				totals[j] += level
				word |= uint32(uint8(level)) << (8 * in)
			}
			dst[i][j] = word
		}
	}
}
