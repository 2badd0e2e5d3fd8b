package tokenizer

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plainMerge merges, again and again, the leftmost of the pairs that were learned first.
func plainMerge(m *bpe, ids []int32) []int32 {
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

func TestMergesOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Every token but a letter has one way to be made, so that a token tells its merge.
		v := vocabulary{"a": 0, "b": 1, "c": 2}
		tokens := []string{"a", "b", "c"}
		var merges [][2]string
		for range rapid.IntRange(0, 12).Draw(t, "merges") {
			p := [2]string{rapid.SampledFrom(tokens).Draw(t, "left"), rapid.SampledFrom(tokens).Draw(t, "right")}
			token := p[0] + p[1]
			if _, ok := v[token]; ok || len(token) > 12 {
				continue
			}
			v[token] = vocabularyID(len(v))
			tokens = append(tokens, token)
			merges = append(merges, p)
		}
		rapid.Permutation(merges).Draw(t, "order")
		m, err := newBPE(v, merges, bpeSettings{})
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 30, -1).Draw(t, "text")
		var letters []int32
		for _, r := range text {
			letters = append(letters, r-'a')
		}
		want := plainMerge(m, letters)
		for range 2 { // the second time whole tokens are known
			s := new(scratch)
			s.first.reset(-1, false)
			s.out = &s.first
			m.encode(s, []byte(text))
			if got := s.first.ids; !slices.Equal(got, want) {
				t.Fatalf("%q with %v: got %v, want %v", text, merges, got, want)
			}
		}
	})
}

// plainPath tries all ways to cut text, and returns the greatest sum of scores.
func plainPath(m *unigram, text []rune) float64 {
	if len(text) == 0 {
		return 0
	}
	best := math.Inf(-1)
	for n := 1; n <= len(text); n++ {
		id := m.tokens.Get(string(text[:n]))
		switch {
		case id >= 0:
			best = max(best, m.scores[id]+plainPath(m, text[n:]))
		case n == 1:
			best = max(best, m.penalty+plainPath(m, text[n:]))
		}
	}
	return best
}

func TestBestPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := []scored{{"?", 0}}
		for i, token := range rapid.SliceOfNDistinct(rapid.StringOfN(rapid.RuneFrom([]rune("aé中")), 1, 4, -1), 1, 12, rapid.ID[string]).Draw(t, "tokens") {
			list = append(list, scored{token, -rapid.Float64Range(0, 9).Draw(t, fmt.Sprint("score", i))})
		}
		m, err := newUnigram(list, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aé中x")), 1, 9, -1).Draw(t, "text")
		s := new(scratch)
		s.first.reset(-1, false)
		s.out = &s.first
		m.encode(s, []byte(text))
		got := s.paths[len(text)].score
		if want := plainPath(m, []rune(text)); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%q with %v: sum %v, the best is %v", text, list, got, want)
		}
		// The tokens make up the text, with a stretch of unknown characters for each unknown token.
		pattern := "^"
		for _, id := range s.first.ids {
			if id == 0 {
				pattern += "(?:.+?)"
			} else {
				pattern += regexp.QuoteMeta(list[id].token)
			}
		}
		if !regexp.MustCompile(pattern + "$").MatchString(text) {
			t.Fatalf("%q with %v: %v", text, list, s.first.ids)
		}
	})
}
