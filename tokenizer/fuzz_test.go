package tokenizer

import (
	"slices"
	"testing"

	"kenserve/tokenizer/internal/folder"
)

// FuzzParse: for any file, Parse returns an error or a tokenizer that encodes.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small(nil)))
	parts := []map[string]string{
		{"normalizer": `{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":"[^\\sa-c]{2,3}?"},"content":"ab"},{"type":"Prepend","prepend":"a"}]}`},
		{"normalizer": `{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`, "pre_tokenizer": `{"type":"BertPreTokenizer"}`},
		{"pre_tokenizer": `{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":false},{"type":"Punctuation","behavior":"MergedWithNext"},{"type":"Whitespace"}]}`},
		{"post_processor": `{"type":"BertProcessing","sep":["[SEP]",5],"cls":["[CLS]",4]}`},
		{"post_processor": `{"type":"Sequence","processors":[{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":1}}],"pair":[{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[4],"tokens":["[CLS]"]}}}]}`},
		{"added_tokens": `[{"id":6,"content":" A ","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":false},{"id":4,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]`, "normalizer": `{"type":"Lowercase"}`},
	}
	parts = append(parts,
		map[string]string{"model": `{"type":"BPE","unk_token":"?","fuse_unk":true,"byte_fallback":true,"end_of_word_suffix":"b","vocab":{"?":0,"a":1,"b":2,"ab":3,"<0x20>":4,"[CLS]":5},"merges":[["a","b"]]}`},
		map[string]string{"model": `{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["?",0],["a",-1],["b",-1.5],["ab",-2],["[CLS]",-3],["<0x20>",-9]]}`},
		map[string]string{"normalizer": `{"type":"Precompiled","precompiled_charsmap":"BAAAAAAEAABiAA=="}`, "pre_tokenizer": `{"type":"Metaspace","replacement":"b","prepend_scheme":"always","split":true}`},
		map[string]string{"pre_tokenizer": `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":" ?[^(\\s|[.,])]+"},"behavior":"MergedWithPrevious","invert":true},{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}]}`},
		map[string]string{"post_processor": `{"type":"RobertaProcessing","sep":["[SEP]",5],"cls":["[CLS]",4],"trim_offsets":true,"add_prefix_space":true}`},
	)
	parts = append(parts,
		map[string]string{"model": `{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"ab":1}}`, "pre_tokenizer": `{"type":"CharDelimiterSplit","delimiter":" "}`},
		map[string]string{"pre_tokenizer": `{"type":"Sequence","pretokenizers":[{"type":"UnicodeScripts"},{"type":"FixedLength","length":2},{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false}]}`, "normalizer": `{"type":"Sequence","normalizers":[{"type":"Nmt"},{"type":"ByteLevel"},{"type":"Strip","strip_left":true,"strip_right":false}]}`},
		map[string]string{"pre_tokenizer": `{"type":"Split","pattern":{"Regex":"(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}|(?<=a)b|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false}`, "truncation": `{"direction":"Left","max_length":3}`, "padding": `{"pad_token":"<x>"}`},
	)
	for _, part := range parts {
		f.Add([]byte(small(part)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tk, err := parse(data)
		if err != nil {
			return
		}
		pair := " A b\u0301,中1\x00"
		checkEncode(t, tk, "ab [CLS] "+string(data[:min(len(data), 30)]), &pair, Options{AddSpecialTokens: true, MaxTokens: 20})
	})
}

// FuzzSentencePiece: for any model file, there is an error or a tokenizer that encodes.
func FuzzSentencePiece(f *testing.F) {
	f.Add([]byte("\x0a\x03\x0a\x01a\x0a\x05\x0a\x03\xe2\x96\x81"), "aa b")
	f.Add([]byte("\x0a\x03\x0a\x01a\x0a\x03\x0a\x01b\x0a\x04\x0a\x02ab\x0a\x07\x0a\x05<unk>\x12\x02\x18\x02"), "ab b")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		for _, name := range []string{"spm.model", "sentencepiece.bpe.model"} {
			c, err := folder.Files{name: data}.Components()
			if err != nil {
				continue
			}
			if tk, err := newTokenizer(c); err == nil {
				checkEncode(t, tk, text, nil, Options{AddSpecialTokens: true})
			}
		}
	})
}

// checkEncode encodes and checks the properties of every encoding, and that the general stages give the
// same encoding as the fast path. It returns the encoding, or an empty one after an error.
func checkEncode(t *testing.T, tk *Tokenizer, text string, pair *string, o Options) Encoding {
	t.Helper()
	e, err := tk.Encode(text, pair, o)
	plain, plainErr := withoutFastPath(tk).Encode(text, pair, o)
	if (err != nil) != (plainErr != nil) || !slices.Equal(e.IDs, plain.IDs) || !slices.Equal(e.TypeIDs, plain.TypeIDs) ||
		!slices.Equal(e.Special, plain.Special) || e.Dropped != plain.Dropped {
		t.Fatalf("%q: with the fast path %v, error %v; without %v, error %v", text, e, err, plain, plainErr)
	}
	if err != nil {
		return Encoding{}
	}
	if len(e.TypeIDs) != len(e.IDs) || len(e.Special) != len(e.IDs) {
		t.Fatalf("%q: %d ids, %d type ids, %d flags", text, len(e.IDs), len(e.TypeIDs), len(e.Special))
	}
	if o.MaxTokens > 0 && len(e.IDs) > o.MaxTokens {
		t.Fatalf("%q: %d tokens, want at most %d", text, len(e.IDs), o.MaxTokens)
	}
	for _, id := range e.IDs {
		if id < 0 || int(id) >= tk.Size() {
			t.Fatalf("%q: id %d is not below the size %d", text, id, tk.Size())
		}
	}
	return e
}

// FuzzEncode: every pipeline encodes any text, and truncation only drops tokens.
func FuzzEncode(f *testing.F) {
	tokenizers := pipelines(f)
	names := sortedNames(tokenizers)
	f.Add("Hello, World!", "unaffable", uint8(0), uint8(20))
	f.Add("Crème\u0301 Brûlée ΑΣ İ 中文 가각 e\u0345\u0334", "\x00\x01\u200d\ufeff\u302e\u302f", uint8(1), uint8(5))
	f.Add("\xff\xe4\xb8[CLS]\xf0\x9f\x98", "  <both>  foo foos   <xy><x", uint8(2), uint8(3))
	f.Add("New York ÜBER bar  BAR qu\u3000été", "''..12", uint8(7), uint8(1))
	f.Fuzz(func(t *testing.T, text, second string, flags, maxTokens uint8) {
		for _, name := range names {
			tk := tokenizers[name]
			pair := &second
			if flags&1 != 0 {
				pair = nil
			}
			whole := checkEncode(t, tk, text, pair, Options{AddSpecialTokens: flags&2 != 0})
			cut := checkEncode(t, tk, text, pair, Options{
				AddSpecialTokens: flags&2 != 0,
				MaxTokens:        int(maxTokens),
				Direction:        Direction(flags >> 2 & 1),
			})
			if cut.IDs != nil && len(cut.IDs)+cut.Dropped != len(whole.IDs) {
				t.Fatalf("%s: %q: %d tokens, but %d kept and %d dropped", name, text, len(whole.IDs), len(cut.IDs), cut.Dropped)
			}
		}
	})
}

func sortedNames(m map[string]*Tokenizer) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
