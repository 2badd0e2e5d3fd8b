package tokenizer

import (
	"slices"
	"strings"
	"testing"
)

// small returns a small tokenizer.json. parts replace its members; an empty part removes the member.
func small(parts map[string]string) string {
	sections := map[string]string{
		"version":        `"1.0"`,
		"truncation":     `null`,
		"padding":        `null`,
		"added_tokens":   `[]`,
		"normalizer":     `null`,
		"pre_tokenizer":  `null`,
		"post_processor": `null`,
		"decoder":        `null`,
		"model":          wordPieceModel,
	}
	for name, part := range parts {
		sections[name] = part
	}
	var fields []string
	for name, part := range sections {
		if part != "" {
			fields = append(fields, `"`+name+`":`+part)
		}
	}
	slices.Sort(fields)
	return "{" + strings.Join(fields, ",") + "}"
}

const wordPieceModel = `{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##","max_input_chars_per_word":10,` +
	`"vocab":{"?":0,"a":1,"##b":2,"ab":3,"[CLS]":4,"[SEP]":5}}`

// TestRefusedFiles: Parse returns an error for everything unknown that could change ids, and for files
// that the reference refuses or reads differently from what they say.
func TestRefusedFiles(t *testing.T) {
	added := func(change string) string {
		token := `{"id":6,"content":"<x>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false}`
		from, to, _ := strings.Cut(change, "→")
		return "[" + strings.Replace(token, from, to, 1) + "]"
	}
	model := func(change string) string {
		from, to, _ := strings.Cut(change, "→")
		return strings.Replace(wordPieceModel, from, to, 1)
	}
	bpeModel := func(change string) string {
		from, to, _ := strings.Cut(change, "→")
		return strings.Replace(`{"type":"BPE","dropout":null,"unk_token":"?","continuing_subword_prefix":null,"end_of_word_suffix":null,`+
			`"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"?":0,"a":1,"b":2,"ab":3},"merges":["a b"]}`, from, to, 1)
	}
	template := func(single, tokens string) string {
		return `{"type":"TemplateProcessing","single":` + single + `,"pair":[],"special_tokens":` + tokens + `}`
	}
	nested := strings.Repeat(`{"type":"Sequence","normalizers":[`, 40) + `{"type":"NFC"}` + strings.Repeat(`]}`, 40)
	tests := []struct{ section, part, message string }{
		{"version", `"2.0"`, `only 1.0`},
		{"version", `1`, `"version" is not a string`},

		{"model", ``, `"model" is missing`},
		{"model", `null`, `it is null`},
		{"model", `[]`, `not a JSON object`},
		{"model", `{"type":"WordLevel"}`, `"unk_token" is missing`},
		{"model", `{"type":"WordLevel","unk_token":"?","vocab":{"a":0}}`, `unknown token "?" is not in the vocabulary`},
		{"model", `{"type":"Wordlevel"}`, `type "Wordlevel" is not supported; supported are WordPiece, BPE, Unigram and WordLevel`},
		{"model", `{"merges":[]}`, `"vocab" is missing`},
		{"model", bpeModel(`"dropout":null→"dropout":0.1`), `dropout 0.1 is not implemented`},
		{"model", bpeModel(`"unk_token":"?"→"unk_token":"!"`), `unknown token "!" is not in the vocabulary`},
		{"model", bpeModel(`"a b"→"a b c"`), `"a b c" is not two tokens`},
		{"model", bpeModel(`["a b"]→[["a","b"],["a"]]`), `has 1 tokens in element 1`},
		{"model", bpeModel(`"a b"→"a c"`), `is not in the vocabulary`},
		{"model", bpeModel(`"a b"→1`), `"merges" is not a list of token pairs`},
		{"model", bpeModel(`"continuing_subword_prefix":null→"continuing_subword_prefix":"##"`), `does not start with the prefix "##"`},
		{"model", bpeModel(`"ab":3→"ab":5000000`), `token id 5000000`},
		{"model", bpeModel(`"fuse_unk":false→"fuse_unk":1`), `"fuse_unk" is not true or false`},
		{"model", `{"type":"Unigram","unk_id":2,"vocab":[["a",-1],["b",-2]]}`, `the unknown token is 2, but there are only 2 tokens`},
		{"model", `{"type":"Unigram","unk_id":null,"vocab":[["a",-1]]}`, `"unk_id" is not an integer`},
		{"model", `{"type":"Unigram","unk_id":0,"vocab":[["a"]]}`, `element 0 that is not a token and a score`},
		{"model", `{"type":"Unigram","unk_id":0,"vocab":[["a",null]]}`, `element 0 that is not a token and a score`},
		{"model", `{"type":"Unigram","unk_id":0,"vocab":[["a",-1e999]]}`, `element 0 that is not a token and a score`},
		{"model", `{"type":"Unigram","unk_id":0,"vocab":[]}`, `the unknown token is 0, but there are only 0 tokens`},
		{"model", `{"vocab":{}}`, `neither "type" nor "merges"`},
		{"model", model(`"unk_token":"?",→`), `"unk_token" is missing`},
		{"model", model(`"?","cont→null,"cont`), `"unk_token" is null`},
		{"model", model(`"?","cont→"!","cont`), `"!" is not in the vocabulary`},
		{"model", model(`:10→:-1`), `not an integer`},
		{"model", model(`:10→:1.5`), `not an integer`},
		{"model", model(`"a":1→"a":null`), `is not a token id`},
		{"model", model(`"a":1→"a":1.0`), `is not a token id`},
		{"model", model(`"a":1→"a":4294967295`), `is not a token id`},
		{"model", model(`"a":1→"a":"1"`), `is not a token id`},

		{"normalizer", `"NFC"`, `normalizer: not a JSON object`},
		{"normalizer", `{}`, `"type" is missing`},
		{"normalizer", `{"type":"Precompiled","precompiled_charsmap":""}`, `not a character map: it has only 0 bytes`},
		{"normalizer", `{"type":"Precompiled","precompiled_charsmap":"!"}`, `not a character map: illegal base64`},
		{"normalizer", `{"type":"Precompiled","precompiled_charsmap":"CAAAAAAAAAA="}`, `its double array has 8 bytes, but only 4 follow`},
		{"normalizer", `{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAABh"}`, `the last replacement does not end with a zero byte`},
		{"normalizer", `{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAAD/AA=="}`, `not UTF-8`},
		{"normalizer", `{"type":"Precompiled","precompiled_charsmap":"BAAAAAABAAA="}`, `its replacement starts at byte 256 of 0`},
		{"normalizer", `{"type":"Precompiled","precompiled_charsmap":"BAAAAAABAQA="}`, `its leaf is unit 64 of 1`},
		{"normalizer", `{"type":"nfc"}`, `type "nfc" is not supported`},
		{"normalizer", `{"type":"Strip","strip_left":true}`, `"strip_right" is missing`},
		{"normalizer", `{"type":"Strip","strip_left":true,"strip_right":null}`, `"strip_right" is null`},
		{"normalizer", `{"type":"BertNormalizer","clean_text":1,"handle_chinese_chars":true,"lowercase":true}`, `"clean_text" is not true or false`},
		{"normalizer", `{"type":"Sequence"}`, `"normalizers" is missing`},
		{"normalizer", `{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFX"}]}`, `normalizer.normalizers[1]: type "NFX"`},
		{"normalizer", nested, `more than 16`},
		{"normalizer", `{"type":"Replace","pattern":"a","content":"b"}`, `normalizer.pattern: not a JSON object`},
		{"normalizer", `{"type":"Replace","pattern":{"String":""},"content":"b"}`, `matches everywhere`},
		{"normalizer", `{"type":"Replace","pattern":{"String":"a","Regex":"b"},"content":"b"}`, `"String" contradicts "Regex"`},
		{"normalizer", `{"type":"Replace","pattern":{"Regex":"a*"},"content":"b"}`, `matches the empty string`},

		{"pre_tokenizer", `{"type":"ByteLevel"}`, `"add_prefix_space" is missing`},
		{"pre_tokenizer", `{"type":"Metaspace","replacement":"ab"}`, `"replacement" is not one character`},
		{"pre_tokenizer", `{"type":"Metaspace","replacement":"_","prepend_scheme":"second"}`, `"second", not always, first or never`},
		{"pre_tokenizer", `{"type":"Metaspace","replacement":"_","prepend_scheme":"always","add_prefix_space":false}`, `contradicts`},
		{"pre_tokenizer", `{"type":"Delimiter","delimiter":"_"}`, `type "Delimiter" is not supported`},
		{"pre_tokenizer", `{"type":"CharDelimiterSplit","delimiter":"__"}`, `"delimiter" is not one character`},
		{"pre_tokenizer", `{"type":"FixedLength","length":0}`, `"length" is 0`},
		{"pre_tokenizer", `{"type":"Split","pattern":{"Regex":"a(?>b)"},"behavior":"Isolated","invert":false}`, `the group (?>b is not supported`},
		{"truncation", `{"direction":"left"}`, `"direction" is "left", not Left or Right`},
		{"padding", `[]`, `padding: not a JSON object`},
		{"pre_tokenizer", `{"type":"Metaspace","replacement":"_","str_rep":"-"}`, `"str_rep" differs from replacement`},
		{"pre_tokenizer", `{"type":"Split","pattern":{"String":"a"},"behavior":"Isolate","invert":false}`, `"Isolate", which is not supported`},
		{"pre_tokenizer", `{"type":"Split","pattern":{"String":"a"},"behavior":"Isolated"}`, `"invert" is missing`},
		{"pre_tokenizer", `{"type":"Digits"}`, `"individual_digits" is missing`},
		{"pre_tokenizer", `{"type":"Punctuation","behavior":"isolated"}`, `"behavior" is "isolated", which is not supported`},
		{"pre_tokenizer", `{"type":"Sequence","pretokenizers":{}}`, `"pretokenizers" is not a list`},

		{"post_processor", `{"type":"RobertaProcessing"}`, `"sep" is missing`},
		{"post_processor", `{"type":"BertProcessing","sep":["[SEP]",5],"cls":["[CLS]"]}`, `"cls" is not a list of a token and its id`},
		{"post_processor", `{"type":"BertProcessing","sep":["[SEP]",5],"cls":["[CLS]",-1]}`, `"cls" does not end with a token id`},
		{"post_processor", `{"type":"BertProcessing","sep":["[SEP]",5]}`, `"cls" is missing`},
		{"post_processor", template(`[{"SpecialToken":{"id":"[CLS]","type_id":0}}]`, `{}`), `is not in special_tokens`},
		{"post_processor", template(`[{"Sequence":{"id":"C","type_id":0}}]`, `{}`), `not A or B`},
		{"post_processor", template(`[{"Sequence":{"id":"B","type_id":0}}]`, `{}`), `for one text uses B`},
		{"post_processor", template(`[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]`, `{}`), `uses a text twice`},
		{"post_processor", template(`[{"Sequence":{"id":"A","type_id":0},"SpecialToken":{"id":"s","type_id":0}}]`, `{}`), `"SpecialToken" contradicts "Sequence"`},
		{"post_processor", template(`[]`, `{"[CLS]":{"id":"[CLS]","ids":[4,5],"tokens":["[CLS]"]}}`), `has 1 tokens for 2 ids`},
		{"post_processor", `{"type":"Sequence","processors":[{"type":"BertProcessing","sep":["s",5],"cls":["c",4]},` +
			template(`[]`, `{}`) + `]}`, `adds 0 special tokens, but the reference reserves room for 2`},
		{"post_processor", `{"type":"Sequence","processors":[` +
			template(`[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"s","type_id":0}},{"SpecialToken":{"id":"s","type_id":0}}]`,
				`{"s":{"id":"s","ids":[5],"tokens":["s"]}}`) + `,` + template(`[]`, `{}`) + `]}`, `needs 1 or 2 texts, got 3`},

		{"added_tokens", `{}`, `added_tokens`},
		{"added_tokens", added(`6→7`), `has id 7, but its id in the vocabulary is 6`},
		{"added_tokens", added(`"<x>"→"ab"`), `has id 6, but its id in the vocabulary is 3`},
		{"added_tokens", added(`"lstrip":false,→`), `"lstrip" is missing`},
		{"added_tokens", added(`}→},{"id":6,"content":"<x>","single_word":true,"lstrip":false,"rstrip":false,"normalized":false,"special":false}`), `listed twice`},
	}
	for _, test := range tests {
		_, err := parse([]byte(small(map[string]string{test.section: test.part})))
		if err == nil {
			t.Errorf("%s: %s: no error", test.section, test.part)
		} else if !strings.Contains(err.Error(), test.message) || !strings.HasPrefix(err.Error(), "tokenizer: ") {
			t.Errorf("%s: %s: got error %q, want one with %q", test.section, test.part, err, test.message)
		}
	}

	_, err := parse([]byte(small(map[string]string{
		"normalizer":   `{"type":"Replace","pattern":{"String":"<x>"},"content":""}`,
		"added_tokens": strings.Replace(added("→"), `"normalized":false`, `"normalized":true`, 1),
	})))
	if err == nil || !strings.Contains(err.Error(), "its normal form is empty") {
		t.Errorf("token with an empty normal form: got error %v", err)
	}
	for _, text := range []string{"", "{", `[]`, `null`, "{\"model\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":"\ud800A"}`, `{"a":"\udc00\ud800"}`} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// TestUnknownNames: members that no table has are collected, wherever they are, once.
func TestUnknownNames(t *testing.T) {
	token := `{"id":6,"content":"<x>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false,"x":1}`
	for _, test := range []struct {
		section, part string
		want          []string
	}{
		{"novelty", `1`, []string{"novelty"}},
		{"model", strings.Replace(wordPieceModel, `"unk_token"`, `"more":1,"unk_token"`, 1), []string{"model.more"}},
		{"normalizer", `{"type":"NFC","lossy":true}`, []string{"normalizer.lossy"}},
		{"normalizer", `{"type":"Lowercase","Type":""}`, []string{"normalizer.Type"}},
		{"normalizer", `{"type":"Sequence","normalizers":[{"type":"NFC","a":1},{"type":"NFD","a":2,"b":3}],"c":4}`, []string{"normalizer.c", "normalizer.normalizers[].a", "normalizer.normalizers[].b"}},
		{"normalizer", `{"type":"Replace","pattern":{"String":"a","flags":"i"},"content":"b"}`, []string{"normalizer.pattern.flags"}},
		{"pre_tokenizer", `{"type":"Whitespace","x":0}`, []string{"pre_tokenizer.x"}},
		{"pre_tokenizer", `{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"x":1}`, []string{"pre_tokenizer.x"}},
		{"post_processor", `{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0,"x":0}}],"pair":[],"special_tokens":{"s":{"id":"s","ids":[],"tokens":[],"y":0}}}`, []string{"post_processor.single[].Sequence.x", "post_processor.special_tokens.s.y"}},
		{"added_tokens", "[" + token + "," + strings.NewReplacer(`6`, `7`, `<x>`, `<y>`).Replace(token) + "]", []string{"added_tokens[].x"}},
		{"truncation", `{"direction":"Right","max_length":3,"strategy":"OnlyFirst","stride":0,"what":1}`, []string{"truncation.what"}},
		{"padding", `{"strategy":"BatchLongest","direction":"Left","pad_to_multiple_of":8,"pad_id":0,"pad_type_id":0,"pad_token":"a","where":1}`, []string{"padding.where"}},
		{"decoder", `{"type":"WordPiece","more":1}`, nil},
	} {
		tk, err := parse([]byte(small(map[string]string{test.section: test.part})))
		if err != nil {
			t.Errorf("%s: %s: %v", test.section, test.part, err)
			continue
		}
		var got []string
		for _, u := range tk.Unknown() {
			got = append(got, u.Names...)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %s: unknown %q, want %q", test.section, test.part, got, test.want)
		}
	}
}

// TestAcceptedFiles: Parse accepts these files, although one could expect an error.
func TestAcceptedFiles(t *testing.T) {
	tests := map[string]map[string]string{
		"no change":              {},
		"only the model":         {"version": "", "truncation": "", "padding": "", "added_tokens": "", "normalizer": "", "pre_tokenizer": "", "post_processor": "", "decoder": ""},
		"no model type":          {"model": strings.Replace(wordPieceModel, `"type":"WordPiece",`, "", 1)},
		"any decoder":            {"decoder": `{"type":"None such"}`},
		"truncation and padding": {"truncation": `{"max_length":1}`, "padding": `{"strategy":{"Fixed":3}}`},
		"nested sequences":       {"normalizer": `{"type":"Sequence","normalizers":[{"type":"Sequence","normalizers":[]},null]}`},
		"surrogate pair":         {"added_tokens": `[{"id":6,"content":"\ud83d\ude00","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false}]`},
		"empty added token":      {"added_tokens": `[{"id":6,"content":"","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false}]`},
		"escaped backslash":      {"model": strings.Replace(wordPieceModel, `"a":1`, `"\\ud800":1,"a":6`, 1)},
	}
	for name, parts := range tests {
		tk, err := parse([]byte(small(parts)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e, err := tk.Encode("ab", nil, Options{AddSpecialTokens: true})
		if err != nil || !slices.Equal(e.IDs, []int32{3}) {
			t.Errorf("%s: %v, %v", name, e.IDs, err)
		}
	}
}

func TestSize(t *testing.T) {
	tests := []struct {
		name  string
		parts map[string]string
		want  int
	}{
		{"vocabulary", nil, 6},
		{"gap in the ids", map[string]string{"model": strings.Replace(wordPieceModel, `"a":1`, `"a":100`, 1)}, 101},
		{"added token", map[string]string{"added_tokens": `[{"id":6,"content":"<x>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false}]`}, 7},
		{"post-processor", map[string]string{"post_processor": `{"type":"BertProcessing","sep":["s",50],"cls":["c",4]}`}, 51},
	}
	for _, test := range tests {
		if got := mustParse(t, small(test.parts)).Size(); got != test.want {
			t.Errorf("%s: got size %d, want %d", test.name, got, test.want)
		}
	}
	if got := miniLM(t).Size(); got != 30522 {
		t.Errorf("MiniLM: got size %d, want 30522", got)
	}
}
