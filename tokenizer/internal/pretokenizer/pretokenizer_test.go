package pretokenizer

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/tokenizertest"
)

// TestPropertySplitterKeepsAllText: with every behavior, the pieces contain all text except dropped
// characters, and no piece is empty.
func TestPropertySplitterKeepsAllText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := propertySplitter{unicode: codepoint.Load()}
		behavior := rapid.SampledFrom([]string{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}).Draw(t, "behavior")
		if err := c.setBehavior("", codepoint.Punctuation, behavior); err != nil {
			t.Fatal(err)
		}
		text := strings.ToValidUTF8(tokenizertest.Text().Draw(t, "text"), "")
		var p Pieces
		p.Cut([]PreTokenizer{c}, []byte(text), 0)
		var pieces []string
		for i := range p.Len() {
			pieces = append(pieces, string(p.Piece(i)))
		}
		want := text
		if behavior == "Removed" {
			want = strings.Map(func(r rune) rune {
				if c.unicode.Properties(r)&codepoint.Punctuation != 0 {
					return -1
				}
				return r
			}, text)
		}
		if got := strings.Join(pieces, ""); got != want || slices.Contains(pieces, "") {
			t.Fatalf("%s: %q: %q", behavior, text, pieces)
		}
	})
}
