package wire

import "slices"

// few is up to how many labels insertion beats sorting all.
const few = 16

// Rank returns the positions of the k largest scores, largest first and equal
// ones in order; all of them for k = 0. It works in order's memory. No score is
// NaN. It is [runtime.Result.Top] without its allocations.
func Rank(order []int32, scores []float32, k int) []int32 {
	order = order[:0]
	if k > 0 && k <= few {
		for i, v := range scores {
			if len(order) < k {
				order = append(order, 0)
			} else if v <= scores[order[k-1]] {
				continue
			}
			at := len(order) - 1
			for ; at > 0 && v > scores[order[at-1]]; at-- {
				order[at] = order[at-1]
			}
			order[at] = int32(i)
		}
		return order
	}
	for i := range scores {
		order = append(order, int32(i))
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch x, y := scores[a], scores[b]; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return int(a - b)
	})
	if k > 0 && k < len(order) {
		order = order[:k]
	}
	return order
}
