// Package coefficient has the coefficients of elementary functions, which the generators
// of all levels share. They are those of elementary.go in package kernel, and
// kernel/testdata/fit.py makes them.
package coefficient

// Rational is an odd function as x·P(x²)/Q(x²), for x within [-Limit, Limit]. Beyond that
// the function is ±1 in float32.
type Rational struct {
	Limit float64
	P, Q  []float64 // in rising order
}

// Erf is the error function.
var Erf = Rational{
	Limit: 4,
	P:     []float64{1.1283791065216064, 0.19354543089866638, 0.0531018003821373, 0.0038833622820675373, 0.00028456668951548636, 1.986784127439023e-06},
	Q:     []float64{1, 0.5048577189445496, 0.1153501570224762, 0.015207286924123764, 0.0011855763150379062, 3.742023545783013e-05},
}

// Tanh is the hyperbolic tangent.
var Tanh = Rational{
	Limit: 9,
	P:     []float64{1, 0.13381026685237885, 0.0034955900628119707, 2.060911174339708e-05, 1.3354699568424167e-08},
	Q:     []float64{1, 0.4671434164047241, 0.02587698958814144, 0.00032856379402801394, 7.776574761919619e-07},
}

// Power is 2 to the power of x as a polynomial, in rising order, for x within half of 0.
var Power = []float64{1, 0.6931470036506653, 0.24022240936756134, 0.0555073507130146, 0.009671619161963463, 0.0013264591107144952}
