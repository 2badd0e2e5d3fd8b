package normalizer

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kenserve/tokenizer/internal/tokenizertest"
)

func TestBertNormalizerAgainstPlain(t *testing.T) {
	s := new(Scratch)
	rapid.Check(t, func(t *rapid.T) {
		o := BertOptions{
			CleanText:    rapid.Bool().Draw(t, "clean"),
			ChineseChars: rapid.Bool().Draw(t, "chinese"),
			StripAccents: rapid.Ptr(rapid.Bool(), true).Draw(t, "accents"),
			Lowercase:    rapid.Bool().Draw(t, "lower"),
		}
		text := strings.ToValidUTF8(tokenizertest.Text().Draw(t, "text"), "")
		got, err := NewBert(o).normalize(s, nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if want := tokenizertest.BertNormalizer(tokenizertest.BertOptions(o), text); string(got) != want {
			t.Fatalf("%+v: %q\n got %q\nwant %q", o, text, got, want)
		}
	})
}

// TestBertNormalizerReordersMarks: kept marks are reordered among each other, but not past a code point
// between them. That holds even if the code point is dropped, unless it is dropped before the
// decomposition. The results are those of the reference.
func TestBertNormalizerReordersMarks(t *testing.T) {
	tests := []struct{ text, want string }{
		{"\u302e\U0001d165", "\U0001d165\u302e"},
		{"\u302e\u0e31\U0001d165", "\u302e\U0001d165"}, // a nonspacing mark of class 0
		{"a\u302e\u0301\U0001d165b", "a\U0001d165\u302eb"},
		{"\u302e\u200d\U0001d165", "\U0001d165\u302e"},
		{"\u302e \U0001d165", "\u302e \U0001d165"},
		{"\u302e中\U0001d165", "\u302e 中 \U0001d165"},
		{"\u302e\u2028\U0001d165", "\u302e \U0001d165"},
		{"\u302e\u0345\u302f\U0001d165\u0f3e\u0bd7", "\U0001d165\u302e\u302f\u0f3e\u0bd7"},
	}
	for _, test := range tests {
		got, err := NewBert(BertOptions{true, true, nil, true}).normalize(new(Scratch), nil, []byte(test.text))
		if err != nil || string(got) != test.want {
			t.Errorf("%+q: got %+q, %v, want %+q", test.text, got, err, test.want)
		}
	}
}
