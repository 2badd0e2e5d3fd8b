package ken

import (
	"fmt"
	"math"
	"slices"
)

// A Selection is the rule that picks the weights to keep.
type Selection string

// The selections; the package comment defines them. The strings are the values of
// the flag --select and are written to delta files.
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
	return "", fmt.Errorf("ken: unknown selection %q, want one of %q", name, selections())
}

// Kept returns how many of n weights to keep. A positive k is the number itself;
// otherwise it is the fraction keep of n, rounded to the nearest whole number, and
// at least one if keep is positive. The result is never more than n.
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
