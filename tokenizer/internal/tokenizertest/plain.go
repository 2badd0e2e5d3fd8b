// Package tokenizertest helps to test the packages of the tokenizer. It has plain versions of BERT's
// stages, written step by step after their definitions, and a generator of difficult texts.
package tokenizertest

import (
	"slices"
	"strings"
	"unicode/utf8"

	"pgregory.net/rapid"

	"kenserve/tokenizer/internal/codepoint"
)

// BertOptions are the fields of normalizer.BertOptions.
type BertOptions struct {
	CleanText, ChineseChars bool
	StripAccents            *bool
	Lowercase               bool
}

// BertNormalizer is normalizer.Bert in four passes.
func BertNormalizer(o BertOptions, text string) string {
	u := codepoint.Load()
	if o.CleanText {
		var b strings.Builder
		for _, r := range text {
			switch p := u.Properties(r); {
			case p&codepoint.Control != 0:
			case p&codepoint.Space != 0:
				b.WriteByte(' ')
			default:
				b.WriteRune(r)
			}
		}
		text = b.String()
	}
	if o.ChineseChars {
		var b strings.Builder
		for _, r := range text {
			if u.Properties(r)&codepoint.CJK != 0 {
				b.WriteString(" " + string(r) + " ")
			} else {
				b.WriteRune(r)
			}
		}
		text = b.String()
	}
	if o.StripAccents == nil && o.Lowercase || o.StripAccents != nil && *o.StripAccents {
		var b strings.Builder
		for _, r := range nfd(text) {
			if u.Properties(r)&codepoint.Nonspacing == 0 {
				b.WriteRune(r)
			}
		}
		text = b.String()
	}
	if o.Lowercase {
		var b strings.Builder
		for _, r := range text {
			b.Write(u.AppendLower(nil, r, u.Properties(r)))
		}
		text = b.String()
	}
	return text
}

// nfd decomposes a whole text and then sorts its runs of marks.
func nfd(text string) []rune {
	u := codepoint.Load()
	var runes []codepoint.ClassedRune
	for _, r := range text {
		runes = u.AppendDecomposed(runes, r, false)
	}
	for from := 0; from < len(runes); from++ {
		to := from
		for to < len(runes) && runes[to].Class != 0 {
			to++
		}
		slices.SortStableFunc(runes[from:to], func(a, b codepoint.ClassedRune) int { return int(a.Class) - int(b.Class) })
		from = to
	}
	decomposed := make([]rune, len(runes))
	for i, c := range runes {
		decomposed[i] = c.Rune
	}
	return decomposed
}

// BertPieces is BertPreTokenizer: it splits at white space and then around punctuation.
func BertPieces(text string) []string {
	u := codepoint.Load()
	var out []string
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return u.Properties(r)&codepoint.Space != 0 }) {
		from := 0
		for i, r := range field {
			if u.Properties(r)&codepoint.Punctuation != 0 {
				if from < i {
					out = append(out, field[from:i])
				}
				from = i + utf8.RuneLen(r)
				out = append(out, field[i:from])
			}
		}
		if from < len(field) {
			out = append(out, field[from:])
		}
	}
	return out
}

// WordPiece is the model WordPiece: it tries every prefix of the rest of a word, the longest first.
func WordPiece[ID ~int32](v map[string]ID, unknown, prefix string, maxChars int, word string) []int32 {
	if utf8.RuneCountInString(word) > maxChars {
		return []int32{int32(v[unknown])}
	}
	var ids []int32
	for start := 0; start < len(word); {
		end := len(word)
		for ; end > start; end-- {
			token := word[start:end]
			if start > 0 {
				token = prefix + token
			}
			if id, ok := v[token]; ok {
				ids = append(ids, int32(id))
				break
			}
		}
		if end == start {
			return []int32{int32(v[unknown])}
		}
		start = end
	}
	return ids
}

// Text generates texts with many characters that a rule of some stage treats specially.
func Text() *rapid.Generator[string] {
	alphabet := []rune("aabBeEyzI19.,-!'[]#\"<> \t\n\x00\x01\x0b\x1c\x7f\u0085\u00a0\u00ad\u200b\u200d\u2028\u3000" +
		"éÉıİßςΣΆǅﬁÅ\u0300\u0301\u0327\u0345\u0334\u1dce\u0363\u20dd中字\uf900\U0002f800가각\u1100\u1161\u11a8" +
		"が\u3099नक़\u093c\u0e31\u0f73\u0f71\u302e\u302f\U0001d165٣²¿…，＃😀\ufe0f\ue000\ufffd\U0001e922\U0010ffff")
	return rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(alphabet), rapid.Rune()), 0, 40).Draw(t, "runes"))
	})
}
