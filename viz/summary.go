package viz

import (
	"sort"
)

// Summary describes a list of counts.
type Summary struct {
	Min    int     `json:"min"`
	Median float64 `json:"median"`
	Max    int     `json:"max"`
	Zero   int     `json:"zero"` // how many counts are 0
}

// summarize returns the summary of counts; all 0 if there are none.
func summarize(counts []int) Summary {
	if len(counts) == 0 {
		return Summary{}
	}
	sorted := append([]int(nil), counts...)
	sort.Ints(sorted)
	n := len(sorted)
	return Summary{
		Min: sorted[0], Max: sorted[n-1],
		Median: float64(sorted[(n-1)/2]+sorted[n/2]) / 2,
		Zero:   sort.SearchInts(sorted, 1),
	}
}
