package addedtoken

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// plainFind returns the first added token at or after from, the longest if several start there.
func plainFind(forms []string, text string, from int) (start, end, token int) {
	for start = from; start < len(text); start++ {
		token = -1
		for i, form := range forms {
			if strings.HasPrefix(text[start:], form) && (token < 0 || len(form) > len(forms[token])) {
				token = i
			}
		}
		if token >= 0 {
			return start, start + len(forms[token]), token
		}
	}
	return 0, 0, -1
}

func TestAddedTokensAgainstPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := []rune("ab [é")
		forms := rapid.SliceOfNDistinct(rapid.StringOfN(rapid.SampledFrom(letters), 1, 4, -1), 1, 6, rapid.ID).Draw(t, "forms")
		var tokens []Token
		for i, form := range forms {
			tokens = append(tokens, Token{Content: form, ID: int32(i)})
		}
		a, err := NewSet(tokens, false, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.SampledFrom(letters), 0, 30, -1).Draw(t, "text")
		for from := 0; ; {
			start, end, token := a.find([]byte(text), from)
			wantStart, wantEnd, wantToken := plainFind(forms, text, from)
			if start != wantStart || end != wantEnd || token != wantToken {
				t.Fatalf("%q in %q from %d: got %d %d %d, want %d %d %d", forms, text, from, start, end, token, wantStart, wantEnd, wantToken)
			}
			if token < 0 {
				break
			}
			from = end
		}
		// Without flags, the parts of a scan make up the whole text.
		scan := a.Scan([]byte(text))
		var whole strings.Builder
		for {
			part, id, ok := scan.Next()
			if !ok {
				break
			}
			if id >= 0 {
				part = []byte(forms[id])
			} else if len(part) == 0 {
				t.Fatalf("%q in %q: an empty part", forms, text)
			}
			whole.Write(part)
		}
		if whole.String() != text {
			t.Fatalf("%q in %q: the parts make up %q", forms, text, &whole)
		}
	})
}
