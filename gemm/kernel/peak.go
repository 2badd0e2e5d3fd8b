package kernel

import (
	"runtime"
	"time"
)

// Peak measures the float32 operations a second of one core, for about the given
// time: a loop of multiplications and additions that touches only registers, at the
// level in use. It is the limit with which products are compared.
func Peak(d time.Duration) float64 { return peak(d) }

// bestRate returns the best rate of several runs of loop, in operations a second. An
// iteration of loop performs ops operations. The best one counts because the machine
// may be busy during some of the runs.
func bestRate(d time.Duration, ops float64, loop func(n int)) float64 {
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

// peakPortable runs the inner loop of the portable kernel without its loads.
func peakPortable(d time.Duration) float64 {
	return bestRate(d, 2*6, func(n int) {
		x0 := 1 / float32(n) // a value that the compiler does not know
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
