package train

import (
	"math/rand/v2"
	"slices"
)

// order returns the order of an epoch's samples.
func order(n int, seed uint64, stage, epoch int) []int {
	return rand.New(rand.NewPCG(seed, uint64(stage)<<32|uint64(epoch))).Perm(n)
}

// steps returns the number of steps of an epoch of n samples.
func steps(n, size int) int { return (n + size - 1) / size }

// members returns the samples of a step, by increasing length.
func members(samples []Sample, size int, seed uint64, stage, step int) []*Sample {
	perEpoch := steps(len(samples), size)
	all := order(len(samples), seed, stage, step/perEpoch)
	first := step % perEpoch * size
	var out []*Sample
	for _, i := range all[first:min(first+size, len(all))] {
		out = append(out, &samples[i])
	}
	slices.SortStableFunc(out, func(a, b *Sample) int { return len(a.IDs) - len(b.IDs) })
	return out
}

// parts divides the samples of a step into passes of at most so many tokens. A longer sample
// has a pass of its own.
func parts(list []*Sample, tokens int) [][]*Sample {
	var out [][]*Sample
	first, n := 0, 0
	for i, s := range list {
		if n+len(s.IDs) > tokens && i > first {
			out = append(out, list[first:i])
			first, n = i, 0
		}
		n += len(s.IDs)
	}
	return append(out, list[first:])
}
