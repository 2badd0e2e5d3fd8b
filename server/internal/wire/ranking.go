package wire

import "slices"

// maxInsertion is the largest k for which insertion is faster than sorting.
const maxInsertion = 16

// Rank returns the positions of the k largest scores, largest first and ties in
// order of position, or all positions for k = 0. It reuses the memory of order.
// No score may be NaN. [runtime.Result.Top] is the same with allocations.
func Rank(order []int32, scores []float32, k int) []int32 {
	order = order[:0]
	if k > 0 && k <= maxInsertion {
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
