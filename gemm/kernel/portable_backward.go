package kernel

import "math"

// The functions in this file are the references of the kernels for training. dy is the
// gradient of a function's result, x its argument.

// AdamWStep are the numbers of an update by AdamW (Loshchilov and Hutter, 2019), in the order
// in which kernels read them.
type AdamWStep struct {
	Scale      float32 // of the gradient: 1, or less to clip it
	Keep       float32 // 1 - rate·decay
	First      float32 // 1 - β₁
	Beta2      float32
	Second     float32 // 1 - β₂
	Correction float32 // √(1 - β₂ᵗ) at step t
	Eps        float32
	Step       float32 // rate / (1 - β₁ᵗ)
}

// adamWPortable computes, element by element and in this order,
//
//	g = Scale·g,  m += First·(g - m),  v = Beta2·v + Second·g²,
//	x = Keep·x - Step·m / (√v/Correction + Eps)
func adamWPortable(x, m, v, g []float32, s *AdamWStep) {
	m, v, g = m[:len(x)], v[:len(x)], g[:len(x)]
	for i := range x {
		d := s.Scale * g[i]
		mean := m[i] + float32(s.First*(d-m[i]))
		square := float32(s.Beta2*v[i]) + float32(s.Second*float32(d*d))
		m[i], v[i] = mean, square
		root := float32(math.Sqrt(float64(square)))
		x[i] = float32(s.Keep*x[i]) - float32(s.Step*(mean/(root/s.Correction+s.Eps)))
	}
}

// dotPortable returns the scalar product of x and y, which are equally long. The length is
// a multiple of 16.
func dotPortable(x, y []float32) float32 {
	var s0, s1, s2, s3 float32
	for i := 0; i+4 <= len(x); i += 4 {
		a, b := x[i:i+4:i+4], y[i:i+4:i+4]
		s0 += float32(a[0] * b[0])
		s1 += float32(a[1] * b[1])
		s2 += float32(a[2] * b[2])
		s3 += float32(a[3] * b[3])
	}
	return (s0 + s1) + (s2 + s3)
}

// dotsPortable stores the scalar products of x with rows of y in dst.
func dotsPortable(dst, x []float32, y View, rows []int32) {
	for i, r := range rows {
		dst[i] = dotPortable(x, y.Data[int(r)*y.Stride:][:len(x)])
	}
}

// transposeToPortable writes the rows of src as columns of dst.
func transposeToPortable(dst, src View) {
	for r := range src.Rows {
		for k, x := range src.Row(r) {
			dst.Data[k*dst.Stride+r] = x
		}
	}
}

// columnSumsPortable adds the rows of x to sums, in order.
func columnSumsPortable(sums []float32, x View) {
	for r := range x.Rows {
		addPortable(sums, sums, x.Row(r))
	}
}

// layerNormParametersPortable adds Σ dy·(x - mean)·inverse over the rows to gamma, in order.
// stats has a mean and an inverse for each row.
func layerNormParametersPortable(gamma []float32, dy, x View, stats [][2]float32) {
	for r, s := range stats {
		d, v := dy.Row(r), x.Row(r)
		for j := range gamma {
			gamma[j] += float32(d[j] * float32((v[j]-s[0])*s[1]))
		}
	}
}

// softmaxBackwardPortable replaces dp by scale·p ∘ (dp - Σ p·dp).
func softmaxBackwardPortable(dp, p []float32, scale float32) {
	p = p[:len(dp)]
	var sum float32
	for i, d := range dp {
		sum += float32(d * p[i])
	}
	for i, d := range dp {
		dp[i] = float32(p[i]*(d-sum)) * scale
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
