package kernel

import "math"

// The backward kernels compute gradients of the functions in portable_nn.go. dy is the
// gradient of a function's result, x its argument.

// SoftmaxBackward replaces dp by p ∘ (dp - Σ p·dp). Both are equally long.
func SoftmaxBackward(dp, p []float32) { softmaxBackwardPortable(dp, p) }

// GELUBackward multiplies dy by the derivatives of GELU at x.
func GELUBackward(dy, x []float32) { geluBackwardPortable(dy, x) }

// GELUTanhBackward multiplies dy by the derivatives of GELUTanh at x.
func GELUTanhBackward(dy, x []float32) { geluTanhBackwardPortable(dy, x) }

// TanhBackward multiplies dy by the derivatives of Tanh at x.
func TanhBackward(dy, x []float32) { tanhBackwardPortable(dy, x) }

// LayerNormBackward computes the gradient of a layer norm's input; see nn.LayerNormBackward.
// It returns the mean of x and 1/√(variance + eps). All slices are equally long.
func LayerNormBackward(dx, dy, x, gamma []float32, eps float32, add bool) (mean, inverse float32) {
	return layerNormBackwardPortable(dx, dy, x, gamma, eps, add)
}

func softmaxBackwardPortable(dp, p []float32) {
	p = p[:len(dp)]
	var sum float32
	for i, d := range dp {
		sum += float32(d * p[i])
	}
	for i, d := range dp {
		dp[i] = p[i] * (d - sum)
	}
}

// geluBackwardPortable: the derivative of x·Φ(x) is Φ(x) + x·φ(x).
func geluBackwardPortable(dy, x []float32) {
	const inverseRoot2Pi = 0.39894228040143267794
	dy = dy[:len(x)]
	for i, v := range x {
		cdf := 0.5 + float32(0.5*erf32(v*0.70710678118654752440))
		dy[i] *= cdf + float32(v*float32(inverseRoot2Pi*exp32(-0.5*v*v)))
	}
}

// geluTanhBackwardPortable: with t = tanh(u), the derivative of x/2·(1 + t) is
// (1 + t)/2 + x/2·(1 - t²)·u'.
func geluTanhBackwardPortable(dy, x []float32) {
	const root2OverPi = 0.79788456080286535588
	dy = dy[:len(x)]
	for i, v := range x {
		square := v * v
		t := tanh32(root2OverPi * (v + float32(0.044715*square*v)))
		slope := root2OverPi * (1 + float32(0.134145*square))
		dy[i] *= 0.5*(1+t) + float32(0.5*v*(1-float32(t*t))*slope)
	}
}

func tanhBackwardPortable(dy, x []float32) {
	dy = dy[:len(x)]
	for i, v := range x {
		t := tanh32(v)
		dy[i] *= 1 - float32(t*t)
	}
}

func layerNormBackwardPortable(dx, dy, x, gamma []float32, eps float32, add bool) (mean, inverse float32) {
	dx, dy, gamma = dx[:len(x)], dy[:len(x)], gamma[:len(x)]
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	n := float64(len(x))
	center := sum / n
	sum = 0
	for _, v := range x {
		d := float64(v) - center
		sum += float64(d * d)
	}
	scale := 1 / math.Sqrt(sum/n+float64(eps))
	mean, inverse = float32(center), float32(scale)
	var sumG, sumGX float64
	for i, v := range x {
		g := float64(dy[i]) * float64(gamma[i])
		sumG += g
		sumGX += float64(g * (float64(v) - center))
	}
	meanG, meanGX := float32(sumG/n), float32(sumGX/n*scale)
	for i, v := range x {
		d := (float32(dy[i]*gamma[i]) - meanG - float32(float32((v-mean)*inverse)*meanGX)) * inverse
		if add {
			dx[i] += d
		} else {
			dx[i] = d
		}
	}
	return mean, inverse
}
