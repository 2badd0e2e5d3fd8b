package pretokenizer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"kenserve/tokenizer/internal/codepoint"
)

// plainWords splits text with GPT-2's expression. Package regexp has no look-ahead, so code does that
// part.
func plainWords(text string) []string {
	class := func(p codepoint.Property) string {
		var b strings.Builder
		for r := range rune(0x250) {
			if utf8.ValidRune(r) && codepoint.Load().Properties(r)&p != 0 {
				fmt.Fprintf(&b, `\x{%X}`, r)
			}
		}
		return b.String()
	}
	l, n, s := class(codepoint.Letter), class(codepoint.Number), class(codepoint.Space)
	re := regexp.MustCompile(`^(?:'s|'t|'re|'ve|'m|'ll|'d| ?[` + l + `]+| ?[` + n + `]+| ?[^` + s + l + n + `]+|[` + s + `]+)`)
	spaces := regexp.MustCompile(`^[` + s + `]+$`)
	var words []string
	for text != "" {
		word := re.FindString(text)
		if spaces.MatchString(word) && len(word) < len(text) {
			if _, size := utf8.DecodeLastRuneInString(word); size < len(word) {
				word = word[:len(word)-size]
			}
		}
		words = append(words, word)
		text = text[len(word):]
	}
	return words
}

func TestByteLevelWordsAgainstPlain(t *testing.T) {
	b := byteLevel{splitWords: true, unicode: codepoint.Load()}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("'''stremvld  \t\n\u00a0\u0085aZé²½1.,-")), 0, 20, -1).Draw(t, "text")
		var got []string
		for rest := []byte(text); len(rest) > 0; {
			n := b.wordLen(rest)
			got = append(got, string(rest[:n]))
			rest = rest[n:]
		}
		if want := plainWords(text); !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
	})
}
