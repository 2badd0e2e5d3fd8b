package gemm

import "math"

// nearestBFloat16 rounds to the nearest bfloat16, ties to even.
func nearestBFloat16(x float32) uint16 {
	if x != x {
		return 0x7fc0
	}
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func widen(x uint16) float32 { return math.Float32frombits(uint32(x) << 16) }

// roundPortable stores x in dst as float32 rounded to bfloat16.
func roundPortable(dst []uint32, x []float32) {
	for i, v := range x {
		dst[i] = uint32(nearestBFloat16(v)) << 16
	}
}

// pairPortable stores x in dst as bfloat16, two a word.
func pairPortable(dst []uint32, x []float32) {
	for i, v := range x {
		if i%2 == 0 {
			dst[i/2] = uint32(nearestBFloat16(v))
		} else {
			dst[i/2] |= uint32(nearestBFloat16(v)) << 16
		}
	}
}

// narrowBFloat16Portable turns two lines for each of dst into bfloat16.
func narrowBFloat16Portable(dst []words, lines []line) {
	for i := range dst {
		for j := range panelWidth {
			dst[i][j] = uint32(nearestBFloat16(lines[2*i][j])) | uint32(nearestBFloat16(lines[2*i+1][j]))<<16
		}
	}
}

// widenedPortable stores init + A·panel in dst, which has 32 columns: row i of A
// is a[i*stride:], float32 that bfloat16 can hold, two for each of the panel's
// lines. Every sum runs over the inputs in rising order. All rows begin with
// the same one if init's stride is 0, and init may be dst.
func widenedPortable(dst, init View, a []uint32, stride int, panel []words) {
	for i := range dst.Rows {
		sums := (*line)(dst.Row(i))
		copy(sums[:], init.Row(i))
		x := a[i*stride:][:2*len(panel)]
		for k := range panel {
			x0, x1 := math.Float32frombits(x[2*k]), math.Float32frombits(x[2*k+1])
			for j, w := range &panel[k] {
				s := sums[j] + float32(x0*math.Float32frombits(w<<16))
				sums[j] = s + float32(x1*math.Float32frombits(w&0xffff0000))
			}
		}
	}
}
