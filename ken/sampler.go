package ken

import "math/rand/v2"

// A sampler draws the choices of Random.
type sampler struct {
	source *rand.PCG
	*rand.Rand
}

func newSampler() sampler {
	source := rand.NewPCG(0, 0)
	return sampler{source, rand.New(source)}
}

// choose sets k of the first n bits of a cleared mask; every subset of k columns has
// the same probability. This is Floyd's algorithm: it draws a column from a range
// that grows by one column each time, and takes the new last column instead if the
// drawn one was taken before.
func (s *sampler) choose(mask []uint64, n, k int, seed uint64) {
	s.source.Seed(seed, 0)
	for last := n - k; last < n; last++ {
		j := s.IntN(last + 1)
		if mask[j>>6]>>(j&63)&1 != 0 {
			j = last
		}
		setBit(mask, j)
	}
}

// rowSeed mixes the seed, the tensor's name and the row's number: FNV-1a over the
// name, then one round of SplitMix64 for each of the three. Changing it would change
// the deltas that a seed gives.
func rowSeed(seed uint64, tensor string, row int) uint64 {
	name := uint64(14695981039346656037)
	for i := range len(tensor) {
		name = (name ^ uint64(tensor[i])) * 1099511628211
	}
	return splitMix(splitMix(splitMix(seed)^name) ^ uint64(row))
}

// splitMix is the output function of SplitMix64 (Steele, Lea and Flood, 2014).
func splitMix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
