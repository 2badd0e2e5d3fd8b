package gemm

import "math"

// activations are the left factor of a product in the form that the kernels of
// a narrow compute type read.
type activations struct {
	words  []uint32 // [rows][stride]
	stride int
	scales []float32 // int8: what one level of a row is worth
	zeros  []int32   // int8: the level of zero in a row
}

// narrowRows is how many rows a part of the work narrows.
const narrowRows = 16

// reset makes room for rows of k activations. Of int8 a word holds four; of
// bfloat16 two, or one, rounded but still a float32, for kernels that multiply
// those.
func (a *activations) reset(c Compute, rows, k int) {
	size := (k + 1) &^ 1
	switch {
	case c == Int8:
		size = (k + 3) / 4
	case pairedActivations():
		size = (k + 1) / 2
	}
	a.stride = Stride(size)
	a.words = grown(a.words, rows*a.stride)
	if c == Int8 {
		a.scales, a.zeros = grown(a.scales, rows), grown(a.zeros, rows)
	}
}

func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// narrow rounds row i to the compute type.
func (a *activations) narrow(c Compute, i int, x []float32) {
	dst := a.words[i*a.stride:][:a.stride]
	if c == BFloat16 && pairedActivations() {
		pairRows(dst, x)
		return
	}
	if c == BFloat16 {
		roundRows(dst, x)
		if len(x)%2 == 1 {
			dst[len(x)] = 0
		}
		return
	}
	low, high := spanOf(x)
	scale, inverse, zero := activationStep(low, high)
	a.scales[i], a.zeros[i] = scale, zero
	if !math.IsNaN(float64(scale)) { // else every result is
		quantise(dst, x, inverse, zero)
	}
}

var activationRows freeList[activations]
