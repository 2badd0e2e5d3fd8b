package model

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kenserve/tokenizer/internal/tokenizertest"
)

func TestWordPieceAgainstPlain(t *testing.T) {
	s := new(Scratch)
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"##", "", "a", "é"}).Draw(t, "prefix")
		letters := rapid.StringOfN(rapid.SampledFrom([]rune("aabé")), 0, 6, -1)
		v := Vocabulary{"[UNK]": 0}
		for i, token := range rapid.SliceOfN(letters, 0, 20).Draw(t, "tokens") {
			if rapid.Bool().Draw(t, "continues") {
				token = prefix + token
			}
			v[token] = ID(i)
		}
		maxChars := rapid.IntRange(0, 12).Draw(t, "longest")
		m, err := NewWordPiece(v, "[UNK]", prefix, maxChars)
		if err != nil {
			t.Fatal(err)
		}
		word := rapid.StringOfN(rapid.SampledFrom([]rune("aabé")), 1, 14, -1).Draw(t, "word")
		var got IDs
		got.Reset(-1, false)
		s.Out = &got
		m.Encode(s, []byte(word))
		if want := tokenizertest.WordPiece(v, "[UNK]", prefix, maxChars, word); !slices.Equal(got.ids, want) {
			t.Fatalf("%v, prefix %q: %q\n got %v\nwant %v", v, prefix, word, got.ids, want)
		}
	})
}
