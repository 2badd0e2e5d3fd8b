package gemm

import "time"

// Peak measures, for about the given time, how many float32 operations a
// second one core performs in a loop of multiplications and additions that
// touches registers alone, at the level of kernels in use. It is the limit
// that products are compared with.
func Peak(d time.Duration) float64 { return peak(d) }

// rate returns the best rate of several runs of loop, which performs ops
// operations an iteration; the machine may be busy during some of them.
func rate(d time.Duration, ops float64, loop func(n int)) float64 {
	best := 0.0
	for end := time.Now().Add(d); ; {
		const n = 100_000
		start := time.Now()
		loop(n)
		now := time.Now()
		best = max(best, ops*n/now.Sub(start).Seconds())
		if now.After(end) {
			return best
		}
	}
}

// sink keeps the compiler from dropping the loop below.
var sink float32

func peakPortable(d time.Duration) float64 {
	return rate(d, 2*6, func(n int) {
		var a, b, c, e, f, g float32
		x := sink
		for range n {
			a += float32(x * a)
			b += float32(x * b)
			c += float32(x * c)
			e += float32(x * e)
			f += float32(x * f)
			g += float32(x * g)
		}
		sink = a + b + c + e + f + g
	})
}
