package viz

// expectedNeighbours returns how many kept values would have 0, 1, 2, 3 and 4
// kept neighbours on average if row r kept kept[r] of its columns, all choices
// of columns equally likely and the rows independent of each other.
//
// A column of row r is kept with probability kept[r]/n. Given that it is, k-1
// of the n-1 others are: both its horizontal neighbours are kept with
// probability (k-1)(k-2)/((n-1)(n-2)), and a column at either end has only one.
// The values above and below are kept with the probabilities of their own rows.
func expectedNeighbours(kept []int, columns int) (expected [5]float64) {
	n := float64(columns)
	inner := max(columns-2, 0) // columns with two horizontal neighbours
	outer := columns - inner   // the others
	for r, k := range kept {
		if k == 0 {
			continue
		}
		k := float64(k)
		var up, down float64
		if r > 0 {
			up = float64(kept[r-1]) / n
		}
		if r+1 < len(kept) {
			down = float64(kept[r+1]) / n
		}
		vertical := [3]float64{(1 - up) * (1 - down), up*(1-down) + down*(1-up), up * down}
		add := func(columns int, horizontal [3]float64) {
			for h, ph := range horizontal {
				for v, pv := range vertical {
					expected[h+v] += float64(columns) * k / n * ph * pv
				}
			}
		}
		switch {
		case columns == 1:
			add(1, [3]float64{1, 0, 0})
		default:
			one := (k - 1) / (n - 1)
			add(outer, [3]float64{1 - one, one, 0})
			if inner > 0 {
				two := one * (k - 2) / (n - 2)
				single := 2 * one * (n - k) / (n - 2)
				add(inner, [3]float64{1 - single - two, single, two})
			}
		}
	}
	return expected
}
