package tokenizer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/folder"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/tokenizertest"
)

// TestFastPathMaxChars: a word that is a token but longer than max_input_chars_per_word is unknown.
func TestFastPathMaxChars(t *testing.T) {
	tk := mustParse(t, small(map[string]string{
		"normalizer":    `{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`,
		"pre_tokenizer": `{"type":"BertPreTokenizer"}`,
		"model":         `{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##","max_input_chars_per_word":3,"vocab":{"?":0,"abc":1,"abcd":2}}`,
	}))
	if tk.fastPath == nil {
		t.Fatal("no fast path")
	}
	for text, want := range map[string]int32{"abc": 1, "ABC": 1, "abcd": 0, "abc\u0301": 1, "abcd\u0301": 0} {
		e, err := tk.Encode(text, nil, Options{})
		if err != nil || !slices.Equal(e.IDs, []int32{want}) {
			t.Errorf("%q: %v, %v, want %d", text, e.IDs, err, want)
		}
	}
}

func TestBertPipelineAgainstPlain(t *testing.T) {
	data, err := miniLMJSON()
	if err != nil {
		t.Fatal(err)
	}
	v, err := model.ParseVocabulary(value(data).Map().Map("model").Required("vocab").Raw())
	if err != nil {
		t.Fatal(err)
	}
	tk := miniLM(t)
	words := make([]string, 0, len(v))
	for token := range v {
		if !strings.HasPrefix(token, "[") { // added tokens are not words
			words = append(words, strings.TrimPrefix(token, "##"))
		}
	}
	slices.Sort(words)
	word := rapid.OneOf(rapid.SampledFrom(words), tokenizertest.Text())
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ReplaceAll(strings.Join(rapid.SliceOfN(word, 0, 12).Draw(t, "words"), rapid.SampledFrom([]string{"", " ", "-"}).Draw(t, "between")), "[", "(")
		var want []int32
		for _, piece := range tokenizertest.BertPieces(tokenizertest.BertNormalizer(tokenizertest.BertOptions{CleanText: true, ChineseChars: true, Lowercase: true}, text)) {
			want = append(want, tokenizertest.WordPiece(v, "[UNK]", "##", 100, piece)...)
		}
		for path, tk := range map[string]*Tokenizer{"fast path": tk, "stages": withoutFastPath(tk)} {
			got, err := tk.Encode(text, nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.IDs, want) {
				t.Fatalf("%s: %q\n got %v\nwant %v", path, text, got.IDs, want)
			}
		}
	})
}

// TestFastPathAgainstStages tries all settings of BertNormalizer with a vocabulary that has many single
// characters, so that a difference in the text is a difference in the ids.
func TestFastPathAgainstStages(t *testing.T) {
	cased := pipelines(t)["cased"]
	var all []*Tokenizer
	yes, no := true, false
	for flags := range 8 {
		for _, accents := range []*bool{nil, &yes, &no} {
			o := normalizer.BertOptions{CleanText: flags&1 != 0, ChineseChars: flags&2 != 0, StripAccents: accents, Lowercase: flags&4 != 0}
			tk, err := newTokenizer(folder.Components{
				Normalizer:   []normalizer.Normalizer{normalizer.NewBert(o)},
				PreTokenizer: cased.preTokenizer,
				Model:        cased.model,
			})
			if err != nil {
				t.Fatal(err)
			}
			if tk.fastPath == nil {
				t.Fatalf("%+v: no fast path", o)
			}
			all = append(all, tk)
		}
	}
	compare := func(tk *Tokenizer, text string) error {
		got, err := tk.Encode(text, nil, Options{})
		if err != nil {
			return err
		}
		want, err := withoutFastPath(tk).Encode(text, nil, Options{})
		if err != nil {
			return err
		}
		if !slices.Equal(got.IDs, want.IDs) {
			return fmt.Errorf("%+v: %q\n got %v\nwant %v", tk.normalizer[0], text, got.IDs, want.IDs)
		}
		return nil
	}
	rapid.Check(t, func(t *rapid.T) {
		if err := compare(rapid.SampledFrom(all).Draw(t, "tokenizer"), tokenizertest.Text().Draw(t, "text")); err != nil {
			t.Fatal(err)
		}
	})
	if testing.Short() {
		return
	}
	u := codepoint.Load()
	for c := rune(0); c <= utf8.MaxRune; c++ {
		if !utf8.ValidRune(c) || u.Properties(c)&^codepoint.Word == 0 {
			continue
		}
		// U+302E and U+302F are marks that are reordered and kept.
		if err := compare(all[int(c)%len(all)], "a"+string(c)+"\u302f"+string(c)+"\u302e\u0301e"+string(c)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTruncated(t *testing.T) {
	const none = -1
	tests := []struct {
		first, second, budget int
		wantFirst, wantSecond int
	}{
		{5, none, 7, 5, none},
		{9, none, 7, 7, none},
		{9, none, 0, 0, none},
		{2, 4, 7, 2, 4},
		{2, 8, 7, 2, 5},
		{8, 2, 7, 5, 2},
		{4, 4, 7, 3, 4}, // of equal lengths, the second text gets the odd token
		{8, 4, 7, 4, 3},
		{4, 8, 7, 3, 4},
		{8, 9, 7, 3, 4},
		{4, 4, 0, 0, 0},
		{4, 4, 1, 0, 1},
	}
	for _, test := range tests {
		first, second := truncated(test.first, test.second, test.budget)
		if first != test.wantFirst || second != test.wantSecond {
			t.Errorf("%+v: got %d, %d", test, first, second)
		}
	}
}

// TestInvalidUTF8Pipeline: a text with invalid UTF-8 has the ids of the text with U+FFFD instead.
func TestInvalidUTF8Pipeline(t *testing.T) {
	tokenizers := pipelines(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 30), rapid.SliceOfN(rapid.SampledFrom([]byte("\xe4\xb8\xad\xf0\x9f\x98\x80 a")), 0, 30)).Draw(t, "text")
		valid := appendValidUTF8(nil, text)
		if !utf8.Valid(valid) || utf8.Valid(text) && !bytes.Equal(valid, text) {
			t.Fatalf("%q becomes %q", text, valid)
		}
		for name, tk := range tokenizers {
			got, err := tk.Encode(string(text), nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			want, err := tk.Encode(string(valid), nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.IDs, want.IDs) {
				t.Fatalf("%s: %q: got %v, want %v", name, text, got.IDs, want.IDs)
			}
		}
	})
}
