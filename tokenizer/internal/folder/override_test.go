package folder

import (
	"encoding/json"
	"strings"
	"testing"

	"kenserve/tokenizer/internal/jsonobject"
)

// TestOverrides: settings that win over tokenizer.json, and those that do not, as in transformers 4.57
// (PreTrainedTokenizerFast.__init__ and BertTokenizerFast.__init__).
func TestOverrides(t *testing.T) {
	const (
		bert      = `{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`
		sequence  = `{"type":"Sequence","normalizers":[]}`
		byteLevel = `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`
	)
	for _, c := range []struct {
		name, settings, model string // "" : no file
		normalizer, pre       string
		wantNormalizer        string // parts that the result must have, separated by spaces; "": unchanged
		wantPre               string
		err                   string
	}{
		{"no files", "", "", bert, byteLevel, "", "", ""},
		{"cased", `{"tokenizer_class":"BertTokenizer","do_lower_case":false}`, "", bert, byteLevel, `"lowercase":false "strip_accents":null "handle_chinese_chars":true "clean_text":true`, "", ""},
		{"fast class", `{"tokenizer_class":"DistilBertTokenizerFast","do_lower_case":false}`, "", bert, byteLevel, `"lowercase":false`, "", ""},
		{"defaults win too", `{"tokenizer_class":"BertTokenizer"}`, "", strings.Replace(bert, `"lowercase":true`, `"lowercase":false`, 1), byteLevel, `"lowercase":true`, "", ""},
		{"strip accents", `{"tokenizer_class":"BertTokenizer","strip_accents":true}`, "", bert, byteLevel, `"strip_accents":true`, "", ""},
		{"Chinese characters", `{"tokenizer_class":"ElectraTokenizer","tokenize_chinese_chars":false}`, "", bert, byteLevel, `"handle_chinese_chars":false`, "", ""},
		{"class of the model", `{"do_lower_case":false}`, `{"model_type":"bert"}`, bert, byteLevel, `"lowercase":false`, "", ""},
		{"class in config.json", `{"do_lower_case":false}`, `{"tokenizer_class":"BertTokenizer"}`, bert, byteLevel, `"lowercase":false`, "", ""},
		{"general class", `{"tokenizer_class":"PreTrainedTokenizerFast","do_lower_case":false}`, `{"model_type":"bert"}`, bert, byteLevel, "", "", ""},
		{"sequence", `{"tokenizer_class":"BertTokenizer","do_lower_case":false}`, "", sequence, byteLevel, "", "", ""},
		{"no normalizer", `{"tokenizer_class":"BertTokenizer","do_lower_case":false}`, "", "null", byteLevel, "", "", ""},
		{"prefix space", `{"tokenizer_class":"RobertaTokenizer","add_prefix_space":true}`, "", bert, byteLevel, "", `"add_prefix_space":true "use_regex":true`, ""},
		{"prefix space by default", `{"tokenizer_class":"RobertaTokenizer"}`, "", bert, strings.Replace(byteLevel, `"add_prefix_space":false`, `"add_prefix_space":true`, 1), "", `"add_prefix_space":false`, ""},
		{"Metaspace", `{"add_prefix_space":true}`, "", bert, `{"type":"Metaspace","add_prefix_space":false}`, "", "", ""},
		{"Python class", `{"tokenizer_class":"BertJapaneseTokenizer"}`, "", bert, byteLevel, "", "", `tokenizer_config.json: member "tokenizer_class" is "BertJapaneseTokenizer"`},
		{"Python class in config.json", `{}`, `{"tokenizer_class":"BertweetTokenizer"}`, bert, byteLevel, "", "", `config.json: member "tokenizer_class" is "BertweetTokenizer"`},
		{"wrong type", `{"tokenizer_class":"BertTokenizer","do_lower_case":"no"}`, "", bert, byteLevel, "", "", "do_lower_case"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Files{}
			if c.settings != "" {
				f[tokenizerConfig] = []byte(c.settings)
			}
			if c.model != "" {
				f[modelConfig] = []byte(c.model)
			}
			f[tokenizerJSON] = []byte("{}")
			var files []*jsonobject.File
			var o overrides
			config, err := f.openConfig("", &files)
			if err == nil {
				o = config.overrides(len(f) > 1)
				err = config.object.Err()
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check := func(stage, before, want string, change func(json.RawMessage) (json.RawMessage, error)) {
				got, err := change(json.RawMessage(before))
				if err != nil {
					t.Fatal(err)
				}
				if want == "" && string(got) != before {
					t.Errorf("%s became %s", stage, got)
				}
				for _, part := range strings.Fields(want) {
					if !strings.Contains(string(got), part) {
						t.Errorf("%s %s, want %s in it", stage, got, part)
					}
				}
			}
			check("normalizer", c.normalizer, c.wantNormalizer, o.normalize)
			check("pre-tokenizer", c.pre, c.wantPre, o.preTokenize)
		})
	}
}
