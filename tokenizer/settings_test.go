package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kenserve/tokenizer/internal/folder"
)

// TestSettings compares folders with settings with transformers' AutoTokenizer.
// testdata/make_settings.py writes the goldens.
func TestSettings(t *testing.T) {
	type line struct {
		Texts     []string // the first line
		Tokenizer string   // then tokenizers, before the folders that have them
		Name      string
		Of        int // its tokenizer; -1: a folder without tokenizer.json
		Files     map[string]string
		Error     string
		IDs       [][]int32 // of each text, then of the first text with each text as its pair
		Types     []string
		Cut       []any // the ids truncated to model_max_length; 0: the same, null: transformers fails
	}
	var texts, tokenizers []string
	folders := 0
	eachLine(t, "settings.jsonl", func(number int, l line) {
		switch {
		case l.Texts != nil:
			texts = l.Texts
			return
		case l.Tokenizer != "":
			tokenizers = append(tokenizers, l.Tokenizer)
			return
		}
		folders++
		files := Files{}
		if l.Of >= 0 {
			files["tokenizer.json"] = []byte(tokenizers[l.Of])
		}
		for name, content := range l.Files {
			files[name] = []byte(content)
		}
		tk, err := New(files)
		if l.Error != "" {
			return // transformers refuses the folder; here it may be served
		}
		if err != nil {
			t.Errorf("%s: %v", l.Name, err)
			return
		}
		if u := tk.Unknown(); len(u) > 0 {
			t.Errorf("%s: unknown %v", l.Name, u)
		}
		wrong := 0
		for i, want := range l.IDs {
			text, pair := texts[i%len(texts)], (*string)(nil)
			if i >= len(texts) {
				second := text
				if second == "" {
					second = " " // transformers treats an empty pair as no pair
				}
				text, pair = texts[0], &second
			}
			e, err := tk.Encode(text, pair, Options{AddSpecialTokens: true})
			if err != nil {
				t.Fatal(err)
			}
			var types strings.Builder
			for _, id := range e.TypeIDs {
				fmt.Fprint(&types, id)
			}
			if !slices.Equal(e.IDs, want) || types.String() != l.Types[i] {
				if wrong++; wrong == 1 {
					t.Errorf("%s: %v: %q, %v\n got %v %s\nwant %v %s", l.Name, l.Files, text, pair != nil, e.IDs, &types, want, l.Types[i])
				}
				continue
			}
			wantCut := want
			switch cut := l.Cut[i].(type) {
			case nil:
				continue
			case []any:
				wantCut = nil
				for _, id := range cut {
					wantCut = append(wantCut, int32(id.(float64)))
				}
			}
			e, err = tk.Encode(text, pair, Options{AddSpecialTokens: true, MaxTokens: tk.MaxLength(), Direction: tk.Direction()})
			if err != nil || !slices.Equal(e.IDs, wantCut) {
				if wrong++; wrong == 1 {
					t.Errorf("%s: %v: %q, %v, truncated to %d\n got %v %v\nwant %v", l.Name, l.Files, text, pair != nil, tk.MaxLength(), e.IDs, err, wantCut)
				}
			}
		}
	})
	if folders < 600 {
		t.Errorf("only %d folders", folders)
	}
}

// FuzzFolder: for any settings files, there is an error or a tokenizer that encodes.
func FuzzFolder(f *testing.F) {
	f.Add([]byte(`{"tokenizer_class":"RobertaTokenizer","mask_token":"<mask>","model_max_length":1e30,"truncation_side":"left"}`), []byte(`{"mask_token":{"content":"ab","lstrip":true}}`), []byte(`{"<x>":6}`), []byte(`{"model_type":"bert"}`))
	f.Add([]byte(`{"added_tokens_decoder":{"3":{"content":"ab","special":true}},"split_special_tokens":true,"model_input_names":["input_ids"]}`), []byte(`{}`), []byte(`{}`), []byte(`{}`))
	f.Add([]byte(`{"tokenizer_class":"GemmaTokenizer","bos_token":"a","eos_token":"ab","add_eos_token":true,"extra_special_tokens":{"x":"ab"}}`), []byte(``), []byte(``), []byte(``))
	f.Fuzz(func(t *testing.T, config, special, added, model []byte) {
		files := folder.Files{"tokenizer.json": []byte(small(nil)), "tokenizer_config.json": config, "special_tokens_map.json": special, "added_tokens.json": added, "config.json": model}
		for name, content := range files {
			if len(content) == 0 {
				delete(files, name)
			}
		}
		c, err := files.Components()
		if err != nil {
			return
		}
		if tk, err := newTokenizer(c); err == nil {
			checkEncode(t, tk, "ab <x> a[CLS]", nil, Options{AddSpecialTokens: true})
		}
	})
}
