package kernel

import "math"

// expSumPortable replaces x by exp(x - max) and returns the sum.
func expSumPortable(x []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	largest := x[0]
	for _, v := range x[1:] {
		largest = max(largest, v)
	}
	var sum float32
	for i, v := range x {
		e := exp32(v - largest)
		x[i] = e
		sum += e
	}
	return sum
}

// scalePortable multiplies all values of x by factor.
func scalePortable(x []float32, factor float32) {
	for i := range x {
		x[i] *= factor
	}
}

// layerNormPortable replaces x by (x - mean) / √(variance + eps) · gamma + beta.
func layerNormPortable(x, gamma, beta []float32, eps float32) {
	gamma, beta = gamma[:len(x)], beta[:len(x)]
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	sum = 0
	for _, v := range x {
		d := float64(v) - mean
		sum += float64(d * d)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	shift := float32(mean)
	for i, v := range x {
		x[i] = float32((v-shift)*scale*gamma[i]) + beta[i]
	}
}

// geluPortable replaces x by x/2 · (1 + erf(x/√2)).
func geluPortable(x []float32) {
	for i, v := range x {
		x[i] = 0.5 * v * (1 + erf32(v*0.70710678118654752440))
	}
}

// geluTanhPortable replaces x by x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).
func geluTanhPortable(x []float32) {
	for i, v := range x {
		inner := v + float32(0.044715*v*v*v)
		x[i] = 0.5 * v * (1 + tanh32(0.79788456080286535588*inner))
	}
}

// tanhPortable replaces x by tanh(x).
func tanhPortable(x []float32) {
	for i, v := range x {
		x[i] = tanh32(v)
	}
}
