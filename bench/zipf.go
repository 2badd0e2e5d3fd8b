package bench

import (
	"math"
	"math/rand/v2"
	"sort"
)

// zipf is a Zipf distribution over ranks from 0 to n−1: the probability of a rank is
// proportional to (rank+1)^−s. math/rand's own needs s > 1.
type zipf struct {
	cumulated []float64 // sums of the weights up to each rank, not normalised
}

func newZipf(n int, s float64) *zipf {
	z := &zipf{make([]float64, n)}
	sum := 0.0
	for i := range z.cumulated {
		sum += math.Pow(float64(i+1), -s)
		z.cumulated[i] = sum
	}
	return z
}

// rank draws a rank.
func (z *zipf) rank(rng *rand.Rand) int {
	return sort.SearchFloat64s(z.cumulated, rng.Float64()*z.cumulated[len(z.cumulated)-1])
}
