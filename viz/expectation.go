package viz

// expectedNeighbours returns the expected number of kept values with 0, 1, 2, 3 and 4 kept
// neighbours, if row r keeps kept[r] of its columns, drawn uniformly and independently of
// other rows.
//
// With k = kept[r] and n columns, a column is kept with probability k/n. Given that it is,
// k-1 of the n-1 other columns are kept: both horizontal neighbours with probability
// (k-1)(k-2)/((n-1)(n-2)); the first and last column have only one. The values above and
// below are kept with the probabilities of their own rows.
func expectedNeighbours(kept []int, columns int) (expected [5]float64) {
	n := float64(columns)
	inner := max(columns-2, 0) // columns with two horizontal neighbours
	outer := columns - inner   // columns with one or none
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
