package kernel

import "math"

// testdata/fit.py made the coefficients below, as minimax fits. Every product is
// rounded before it is added, so that results have the same bits on architectures
// whose compilers fuse multiplications and additions.

// erf32 is the error function as x·P(x²)/Q(x²), with a relative error below 5e-7.
func erf32(x float32) float32 {
	const limit = 4 // erf(4) is 1 in float32
	x = clamp(x, limit)
	t := x * x
	p := float32(1.986784127439023e-06)
	p = 0.00028456668951548636 + float32(p*t)
	p = 0.0038833622820675373 + float32(p*t)
	p = 0.0531018003821373 + float32(p*t)
	p = 0.19354543089866638 + float32(p*t)
	p = 1.1283791065216064 + float32(p*t)
	q := float32(3.742023545783013e-05)
	q = 0.0011855763150379062 + float32(q*t)
	q = 0.015207286924123764 + float32(q*t)
	q = 0.1153501570224762 + float32(q*t)
	q = 0.5048577189445496 + float32(q*t)
	q = 1 + float32(q*t)
	return clamp(x*p/q, 1)
}

// tanh32 is the hyperbolic tangent as x·P(x²)/Q(x²), with a relative error below
// 5e-7.
func tanh32(x float32) float32 {
	const limit = 9 // tanh(9) is 1 in float32
	x = clamp(x, limit)
	t := x * x
	p := float32(1.3354699568424167e-08)
	p = 2.060911174339708e-05 + float32(p*t)
	p = 0.0034955900628119707 + float32(p*t)
	p = 0.13381026685237885 + float32(p*t)
	p = 1 + float32(p*t)
	q := float32(7.776574761919619e-07)
	q = 0.00032856379402801394 + float32(q*t)
	q = 0.02587698958814144 + float32(q*t)
	q = 0.4671434164047241 + float32(q*t)
	q = 1 + float32(q*t)
	return clamp(x*p/q, 1)
}

// exp32 is e to the power of x for x up to 88, with a relative error below 2e-7. Below
// -87, where the result would be subnormal, it is 0. It reduces x to n·ln2 + r, with
// ln2 in two parts (Cody and Waite), and evaluates 1 + r + r²·P(r).
func exp32(x float32) float32 {
	if x < -87 {
		return 0
	}
	const (
		shift = 3 << 22 // adding it rounds to an integer
		ln2Hi = 0.693359375
		ln2Lo = -2.12194440e-4
	)
	n := float32(x*math.Log2E) + shift
	n -= shift
	r := x - float32(n*ln2Hi)
	r -= float32(n * ln2Lo)
	p := float32(0.0013814467238262296)
	p = 0.008368780836462975 + float32(p*r)
	p = 0.04166839271783829 + float32(p*r)
	p = 0.1666651964187622 + float32(p*r)
	p = 0.4999999403953552 + float32(p*r)
	p = 1 + (r + float32(p*float32(r*r)))
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}

// clamp limits x to [-limit, limit]. NaN stays NaN.
func clamp(x, limit float32) float32 {
	if x > limit {
		return limit
	}
	if x < -limit {
		return -limit
	}
	return x
}
