package model

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestIDsAgainstAll: with a limit, Cut returns the same ids as a truncation of all ids.
func TestIDsAgainstAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 8).Draw(t, "limit")
		all := rapid.SliceOfN(rapid.Int32(), 0, 60).Draw(t, "ids")
		last := rapid.Bool().Draw(t, "last")
		var k IDs
		k.Reset(limit, last)
		for _, id := range all {
			k.Add(id)
		}
		n := rapid.IntRange(0, limit).Draw(t, "n")
		want := all[:min(n, len(all))]
		if last {
			want = all[max(0, len(all)-n):]
		}
		if got := k.Cut(n); k.Total != len(all) || !slices.Equal(got, want) {
			t.Fatalf("got %v of %d, want %v", got, k.Total, want)
		}
		if cap(k.ids) > 4*limit+16 {
			t.Fatalf("holds %d ids under a limit of %d", cap(k.ids), limit)
		}
	})
}
