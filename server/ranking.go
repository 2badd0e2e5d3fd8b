package server

import (
	"cmp"
	"slices"
)

// rank returns the positions of the k largest scores, largest first and equal
// ones in order; all of them for k = 0. It works in order's memory. It is
// [runtime.Result.Top] without its allocations.
func rank(order []int32, scores []float32, k int) []int32 {
	order = order[:0]
	for i := range scores {
		order = append(order, int32(i))
	}
	if k == 1 && len(order) > 1 {
		best := int32(0)
		for i := range order {
			if scores[i] > scores[best] {
				best = int32(i)
			}
		}
		order[0] = best
	} else {
		slices.SortFunc(order, func(a, b int32) int {
			if c := cmp.Compare(scores[b], scores[a]); c != 0 {
				return c
			}
			return cmp.Compare(a, b)
		})
	}
	if k > 0 && k < len(order) {
		order = order[:k]
	}
	return order
}
