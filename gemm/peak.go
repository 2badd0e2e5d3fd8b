package gemm

import (
	"runtime"
	"time"
)

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

// peakPortable times the portable micro-kernel without its loads.
func peakPortable(d time.Duration) float64 {
	return rate(d, 2*6, func(n int) {
		x0 := 1 / float32(n) // the compiler must not know the values
		x1, x2, w0, w1 := x0+1, x0+2, x0+3, x0+4
		var c00, c01, c10, c11, c20, c21 float32
		for range n {
			c00 += float32(x0 * w0)
			c10 += float32(x1 * w0)
			c20 += float32(x2 * w0)
			c01 += float32(x0 * w1)
			c11 += float32(x1 * w1)
			c21 += float32(x2 * w1)
		}
		runtime.KeepAlive(c00 + c10 + c20 + c01 + c11 + c21)
	})
}
