package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const equalWordPiece = `{
 "version": "1.0",
 "added_tokens": [
  {"id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
  {"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}
 ],
 "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
 "pre_tokenizer": {"type": "BertPreTokenizer"},
 "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
  "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
  "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}}},
 "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
  "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2, "b": 3, "##a": 4}}
}`

const equalBPE = `{"version": "1.0", "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
 "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "ba": 3}, "merges": ["a b", "b a"]}}`

// TestEqual: tokenizers are equal if no text has other ids, whatever their files look like.
func TestEqual(t *testing.T) {
	for _, c := range []struct {
		name, file, old, new string
		equal                bool
	}{
		{"itself", equalWordPiece, "", "", true},
		{"another order of members", equalWordPiece, ` "version": "1.0",`, ` "decoder": null, "version": "1.0",`, true},
		{"padding and a decoder", equalWordPiece, ` "version": "1.0",`, ` "version": "1.0", "padding": {"strategy": {"Fixed": 8}}, "decoder": {"type": "WordPiece"},`, true},
		{"another order of tokens", equalWordPiece, `"a": 2, "b": 3`, `"b": 3, "a": 2`, true},
		{"a token that is not special", equalWordPiece, `"special": true},`, `"special": false},`, true},
		{"another case", equalWordPiece, `"lowercase": true`, `"lowercase": false`, false},
		{"accents", equalWordPiece, `"strip_accents": null`, `"strip_accents": false`, false},
		{"other ids", equalWordPiece, `"a": 2, "b": 3`, `"a": 3, "b": 2`, false},
		{"another word", equalWordPiece, `"b": 3`, `"c": 3`, false},
		{"one more word", equalWordPiece, `"##a": 4`, `"##a": 4, "c": 5`, false},
		{"a token with white space", equalWordPiece, `"lstrip": false`, `"lstrip": true`, false},
		{"a token in normalized text", equalWordPiece, `"normalized": false`, `"normalized": true`, false},
		{"another pre-tokenizer", equalWordPiece, "BertPreTokenizer", "WhitespaceSplit", false},
		{"longer words", equalWordPiece, "100", "101", false},
		{"another prefix", equalWordPiece, `"##"`, `"#"`, false},
		{"types of pairs", equalWordPiece, `"B", "type_id": 1`, `"B", "type_id": 0`, false},
		{"no special token", equalWordPiece, `{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, `, "", false},
		{"merges", equalBPE, "", "", true},
		{"another order of merges", equalBPE, `"a b", "b a"`, `"b a", "a b"`, false},
		{"a space before", equalBPE, `"add_prefix_space": false`, `"add_prefix_space": true`, false},
		{"offsets", equalBPE, `"trim_offsets": true`, `"trim_offsets": false`, true},
	} {
		changed := strings.Replace(c.file, c.old, c.new, 1)
		if c.old != "" && changed == c.file {
			t.Fatalf("%s: there is no %s", c.name, c.old)
		}
		a, err := parse([]byte(c.file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := parse([]byte(changed))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for range 2 { // before and after some texts: caches do not count
			if a.Equal(b) != c.equal || b.Equal(a) != c.equal {
				t.Errorf("%s: equal %v, want %v", c.name, a.Equal(b), c.equal)
			}
			if _, err := b.Encode("a ab ba b", nil, Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEqualForms: the demo's tokenizer.json and its vocab.txt are the same tokenizer.
func TestEqualForms(t *testing.T) {
	const demo = "../examples/demo/base"
	whole, err := Open(demo)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if Exists(dir) {
		t.Error("an empty folder has a tokenizer")
	}
	for _, name := range []string{"vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "config.json"} {
		data, err := os.ReadFile(filepath.Join(demo, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !whole.Equal(parts) || !Exists(dir) {
		t.Error("they differ")
	}
	if bytes := whole.Bytes(); bytes < 500<<10 || bytes > 2<<20 {
		t.Errorf("the tokenizer takes %d bytes, want about a megabyte", bytes)
	}
	if !slices.IsSorted(FileNames()) {
		t.Errorf("%q is not sorted", FileNames())
	}
}
