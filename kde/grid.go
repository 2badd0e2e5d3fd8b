package kde

import "math"

// Bandwidth returns the bandwidth |1.06 · sigma · n^(-1/5)| for n values of
// standard deviation sigma, computed in float64 from left to right.
func Bandwidth(sigma float32, n int) float64 {
	return math.Abs(float64(1.06*float64(sigma)) * inverseFifthRoot(n))
}

// inverseFifthRoot returns the float64 nearest to n^(-0.2), where -0.2 is the float64
// nearest to -1/5. numpy calls the C library's pow, which returns the same for all
// but about one n in a thousand; there it is off by a little more than half a unit in
// the last place. math.Pow is off by more, and more often.
func inverseFifthRoot(n int) float64 {
	x := float64(n)
	y := math.Pow(x, -0.2)
	// One Newton step for x·y⁵ = 1. The residual is computed in twice the precision,
	// with products as high + low parts.
	high, low := y, 0.0
	for range 4 {
		product := float64(high * y)
		low = math.FMA(high, y, -product) + float64(low*y)
		high = product
	}
	product := float64(high * x)
	low = math.FMA(high, x, -product) + float64(low*x)
	residual := (product - 1) + low // x·y⁵ - 1
	// The float64 -0.2 is this much below -1/5.
	const below = 0x1p-54 / 5
	return y - float64(y*(residual/5+float64(below*math.Log(x))))
}

// Grid fills points with evenly spaced values from low to high, both included, as
// numpy 1.26's linspace does in float64. A single point is low.
func Grid(points []float64, low, high float32) {
	start, stop := float64(low), float64(high)
	last := len(points) - 1
	if last < 0 {
		return
	}
	points[0] = start
	if last == 0 {
		return
	}
	step := (stop - start) / float64(last)
	for i := range last {
		points[i] = float64(float64(i)*step) + start
	}
	points[last] = stop
}
