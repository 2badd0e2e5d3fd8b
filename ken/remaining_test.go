package ken

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRemaining(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// From 4,097 values on the summary has more than one word.
		n := rapid.OneOf(rapid.IntRange(1, 200), rapid.IntRange(1, 20_000), rapid.Just(4096)).Draw(t, "n")
		var set remaining
		set.reset(rapid.IntRange(1, 20_000).Draw(t, "before"))
		set.reset(n)
		in := make([]bool, n)
		for i := range in {
			in[i] = true
		}
		for range rapid.IntRange(0, 8).Draw(t, "removals") {
			from := rapid.IntRange(0, n-1).Draw(t, "from")
			to := rapid.IntRange(from, n).Draw(t, "to")
			for i := from; i < to; i++ {
				if in[i] {
					set.remove(i)
					in[i] = false
				}
			}
			for range 20 {
				i := rapid.IntRange(0, n).Draw(t, "i")
				from := slices.Index(in[i:], true)
				if from >= 0 {
					from += i
				}
				if got := set.atOrAbove(i); got != from {
					t.Fatalf("from(%d) = %d, want %d", i, got, from)
				}
				before := i - 1
				for before >= 0 && !in[before] {
					before--
				}
				if got := set.below(i); got != before {
					t.Fatalf("before(%d) = %d, want %d", i, got, before)
				}
			}
		}
	})
}
