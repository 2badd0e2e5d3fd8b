package bench

import (
	"math"
	"slices"
	"time"
)

// Quantiles are quantiles of a duration, in milliseconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// quantiles computes quantiles by the nearest rank: the q-quantile is the smallest
// value that at least a share q of all values do not exceed. It sorts d, which must not
// be empty.
func quantiles(d []time.Duration) Quantiles {
	slices.Sort(d)
	at := func(q float64) float64 {
		return float64(d[int(math.Ceil(q*float64(len(d))))-1]) / float64(time.Millisecond)
	}
	return Quantiles{at(0.5), at(0.9), at(0.99), at(1)}
}

// median sorts x, which must not be empty; of an even number of values it returns the
// upper of the two in the middle.
func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
