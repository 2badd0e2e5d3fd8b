package gemm

// Softmax replaces each row of x by exp(x - max) / Σ exp(x - max). An element
// of minus infinity gives 0; a row must have at least one larger element. The
// relative error is at most 1e-6 + 2⁻²⁴·(max - x), the second part being that of
// the difference's own rounding; results below 1e-37 may be 0.
func Softmax(x View) {
	x.check("softmax")
	for i := range x.Rows {
		softmax(x.Row(i))
	}
}

func softmaxPortable(x []float32) {
	if len(x) == 0 {
		return
	}
	top := x[0]
	for _, v := range x[1:] {
		top = max(top, v)
	}
	var sum float32
	for i, v := range x {
		e := exp32(v - top)
		x[i] = e
		sum += e
	}
	inv := 1 / sum
	for i := range x {
		x[i] *= inv
	}
}
