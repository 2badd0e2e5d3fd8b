package ken

import (
	"fmt"
	"math"
	"slices"
)

// A Selection is the rule that picks which weights of a row are kept.
type Selection string

// The selections; the package comment defines them.
const (
	KEN           Selection = "ken"
	LargestChange Selection = "delta"
	Magnitude     Selection = "magnitude"
	Random        Selection = "random"
)

// selections lists all selections, the default first.
func selections() []Selection { return []Selection{KEN, LargestChange, Magnitude, Random} }

// parseSelection returns the selection of that name.
func parseSelection(name string) (Selection, error) {
	if s := Selection(name); slices.Contains(selections(), s) {
		return s, nil
	}
	return "", fmt.Errorf("ken: unknown selection %q: it is one of %q", name, selections())
}

// Kept returns how many weights to keep of n: k itself where k is positive, else
// the share keep of them rounded to the nearest whole number, but at least one
// weight of any positive share. The result is never more than n.
func Kept(n, k int, keep float64) int {
	switch {
	case k > 0:
		return min(k, n)
	case !(keep > 0) || n == 0:
		return 0
	case keep >= 1:
		return n
	}
	return max(1, int(math.Round(keep*float64(n))))
}
