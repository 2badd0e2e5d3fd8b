package model

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plainMerge merges the pair of lowest rank, the leftmost among equals, until no merge is possible.
func plainMerge(m *BPE, ids []int32) []int32 {
	for {
		best, at := merge{rank: math.MaxInt32}, -1
		for i := 0; i+1 < len(ids); i++ {
			if to, ok := m.merges[pair{ids[i], ids[i+1]}]; ok && to.rank < best.rank {
				best, at = to, i
			}
		}
		if at < 0 {
			return ids
		}
		ids = slices.Replace(ids, at, at+2, best.id)
	}
}

func TestBPEAgainstPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Each token except the letters comes from one merge only, so the result determines the merge.
		v := Vocabulary{"a": 0, "b": 1, "c": 2}
		tokens := []string{"a", "b", "c"}
		var merges [][2]string
		for range rapid.IntRange(0, 12).Draw(t, "merges") {
			p := [2]string{rapid.SampledFrom(tokens).Draw(t, "left"), rapid.SampledFrom(tokens).Draw(t, "right")}
			token := p[0] + p[1]
			if _, ok := v[token]; ok || len(token) > 12 {
				continue
			}
			v[token] = ID(len(v))
			tokens = append(tokens, token)
			merges = append(merges, p)
		}
		rapid.Permutation(merges).Draw(t, "order")
		m, err := NewBPE(v, merges, BPESettings{})
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 30, -1).Draw(t, "text")
		var letters []int32
		for _, r := range text {
			letters = append(letters, r-'a')
		}
		want := plainMerge(m, letters)
		for range 2 { // the second round uses selfTokens
			var got IDs
			got.Reset(-1, false)
			m.Encode(&Scratch{Out: &got}, []byte(text))
			if got := got.ids; !slices.Equal(got, want) {
				t.Fatalf("%q with %v: got %v, want %v", text, merges, got, want)
			}
		}
	})
}
