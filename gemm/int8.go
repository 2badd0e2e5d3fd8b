package gemm

import "math"

// weightLevels is the largest level of an int8 weight. Seven bits, so that AVX2
// can add two products of a byte and a weight in 16 bits.
const weightLevels = 63

// flat is the largest magnitude, or span, of values that count as zero: what
// divides them must be a float32.
const flat = 0x1p-100

// weightStep returns what one level is worth for weights of at most the given
// magnitude, and the levels in 1. Weights that are not finite make the step,
// and with it every result, NaN.
func weightStep(top float32) (step, inverse float32) {
	switch {
	case !(top <= math.MaxFloat32):
		return float32(math.NaN()), 0
	case top <= flat:
		return 0, 0
	}
	return top / weightLevels, weightLevels / top
}

// activationStep returns the same for activations that span low to high, and
// the level of zero.
func activationStep(low, high float32) (step, inverse float32, zero int32) {
	span := high - low
	switch {
	case !(span <= math.MaxFloat32):
		return float32(math.NaN()), 0, 0
	case span <= flat:
		return 0, 0, 0
	}
	inverse = 255 / span
	return span / 255, inverse, nearestInt(float32(-low * inverse))
}

// nearestInt rounds to the nearest integer, ties to even, for magnitudes below
// 2²².
func nearestInt(x float32) int32 {
	const shift = 3 << 22
	return int32(float32(x+shift) - shift)
}

// spanPortable returns the smallest and the largest of zero and the values of
// x. High is NaN if one is not finite.
func spanPortable(x []float32) (low, high float32) {
	var wrong float32
	for _, v := range x {
		low, high = min(low, v), max(high, v)
		wrong += v - v // 0, or NaN
	}
	return low, high + wrong
}

// quantisePortable stores x·inverse + zero, rounded to integers from 0 to 255,
// in dst, four a word.
func quantisePortable(dst []uint32, x []float32, inverse float32, zero int32) {
	for i, v := range x {
		level := uint32(max(0, min(255, nearestInt(float32(v*inverse))+zero)))
		if i%4 == 0 {
			dst[i/4] = level
		} else {
			dst[i/4] |= level << (i % 4 * 8)
		}
	}
}

// dotsPortable adds A·panel to the rows of dst: row i of A is a[i*stride:], four
// activations a word.
func dotsPortable(dst [][panelWidth]int32, a []uint32, stride int, panel []words) {
	for i := range dst {
		sums := &dst[i]
		for k := range panel {
			x := a[i*stride+k]
			x0, x1, x2, x3 := int32(x&0xff), int32(x>>8&0xff), int32(x>>16&0xff), int32(x>>24)
			for j, w := range &panel[k] {
				sums[j] += x0*int32(int8(w)) + x1*int32(int8(w>>8)) + x2*int32(int8(w>>16)) + x3*int32(int8(w>>24))
			}
		}
	}
}

// dequantisePortable stores (sums - zero·totals)·scale·steps + bias in dst.
func dequantisePortable(dst []float32, sums, totals *[panelWidth]int32, steps, bias *line, zero int32, scale float32) {
	for j := range dst {
		dst[j] = float32(float32(float32(sums[j]-zero*totals[j])*scale)*steps[j]) + bias[j]
	}
}

// largestPortable stores the largest magnitude of each column in dst, NaN where
// a value is not finite.
func largestPortable(dst *line, lines []line) {
	var top, wrong line
	for k := range lines {
		for j, v := range &lines[k] {
			v = max(v, -v)
			top[j] = max(top[j], v)
			wrong[j] += v - v
		}
	}
	for j := range dst {
		dst[j] = top[j] + wrong[j]
	}
}

// narrowInt8Portable turns four lines for each of dst into levels, and adds each
// column's to totals.
func narrowInt8Portable(dst []words, totals *[panelWidth]int32, lines []line, inverses *line) {
	for i := range dst {
		for j := range panelWidth {
			var word uint32
			for in := range 4 {
				level := nearestInt(float32(lines[4*i+in][j] * inverses[j]))
				totals[j] += level
				word |= uint32(uint8(level)) << (8 * in)
			}
			dst[i][j] = word
		}
	}
}
