package model

import (
	"fmt"
	"math"
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// plainPath tries all ways to split text and returns the greatest sum of scores.
func plainPath(m *Unigram, text []rune) float64 {
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

func TestUnigramAgainstPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := []ScoredToken{{"?", 0}}
		for i, token := range rapid.SliceOfNDistinct(rapid.StringOfN(rapid.RuneFrom([]rune("aé中")), 1, 4, -1), 1, 12, rapid.ID[string]).Draw(t, "tokens") {
			list = append(list, ScoredToken{token, -rapid.Float64Range(0, 9).Draw(t, fmt.Sprint("score", i))})
		}
		m, err := NewUnigram(list, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aé中x")), 1, 9, -1).Draw(t, "text")
		var ids IDs
		ids.Reset(-1, false)
		s := &Scratch{Out: &ids}
		m.Encode(s, []byte(text))
		got := s.paths[len(text)].score
		if want := plainPath(m, []rune(text)); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%q with %v: got sum %v, want %v", text, list, got, want)
		}
		// The concatenated tokens must be the text, where an unknown token stands for one or more
		// characters.
		pattern := "^"
		for _, id := range ids.ids {
			if id == 0 {
				pattern += "(?:.+?)"
			} else {
				pattern += regexp.QuoteMeta(list[id].Token)
			}
		}
		if !regexp.MustCompile(pattern + "$").MatchString(text) {
			t.Fatalf("%q with %v: %v", text, list, ids.ids)
		}
	})
}
