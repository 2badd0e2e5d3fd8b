package codepoint

import (
	"slices"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSortMarksAgainstStableSort(t *testing.T) {
	var buffer []ClassedRune
	rapid.Check(t, func(t *rapid.T) {
		marks := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ClassedRune {
			return ClassedRune{rapid.Rune().Draw(t, "r"), rapid.SampledFrom([]uint8{1, 9, 220, 230, 240, 255}).Draw(t, "class")}
		}), 0, 60).Draw(t, "marks")
		want := slices.Clone(marks)
		slices.SortStableFunc(want, func(a, b ClassedRune) int { return int(a.Class) - int(b.Class) })
		if buffer = SortMarks(marks, buffer); !slices.Equal(marks, want) {
			t.Fatalf("got %v, want %v", marks, want)
		}
	})
}

// TestDecompositionAgainstPlain: the decomposition of a code point is the entry of the table, or for
// Hangul the formula of Unicode, section 3.12, here with plain numbers.
func TestDecompositionAgainstPlain(t *testing.T) {
	u := Load()
	for r := range rune(utf8.MaxRune + 1) {
		if !utf8.ValidRune(r) {
			continue
		}
		want := []rune{r}
		switch {
		case r >= hangulFirst && r <= hangulLast:
			k := r - hangulFirst
			want = []rune{leadBase + k/588, vowelBase + k%588/28}
			if k%28 > 0 {
				want = append(want, tailBase+k%28)
			}
		case u.Properties(r)&Decomposed != 0:
			want = nil
			for _, c := range u.decompositions[u.nfd.of(r)] {
				want = append(want, c.Rune)
			}
		}
		got := u.AppendDecomposed(nil, r, false)
		equal := len(got) == len(want)
		for i := 0; equal && i < len(got); i++ {
			equal = got[i].Rune == want[i] && got[i].Class == u.classes.of(want[i])
		}
		if !equal {
			t.Fatalf("%U: got %v, want %X", r, got, want)
		}
	}
}
