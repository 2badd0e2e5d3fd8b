package kernel

import "math"

// maxWeightLevel is the largest magnitude of an int8 weight. Seven bits, so that AVX2
// can add two products of an activation and a weight in 16 bits.
const maxWeightLevel = 63

// flat is the largest magnitude or range of values that are all taken for zero: the
// inverse of a step must be a finite float32.
const flat = 0x1p-100

// WeightStep returns the value of one level of int8 weights, and its inverse, for
// weights of at most the given magnitude. If a weight is not finite, the step is NaN,
// and so is every result.
func WeightStep(maxAbs float32) (step, inverse float32) {
	switch {
	case !(maxAbs <= math.MaxFloat32):
		return float32(math.NaN()), 0
	case maxAbs <= flat:
		return 0, 0
	}
	return maxAbs / maxWeightLevel, maxWeightLevel / maxAbs
}

// ActivationStep returns the value of one level of uint8 activations, and its
// inverse, for activations from low to high, which include 0; and zero, the level of
// 0. If an activation is not finite, the step is NaN, and so is every result.
func ActivationStep(low, high float32) (step, inverse float32, zero int32) {
	span := high - low
	switch {
	case !(span <= math.MaxFloat32):
		return float32(math.NaN()), 0, 0
	case span <= flat:
		return 0, 0, 0
	}
	inverse = 255 / span
	return span / 255, inverse, roundToInt(float32(-low * inverse))
}
