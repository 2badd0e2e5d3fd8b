package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRefusedFolders(t *testing.T) {
	const vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n"
	tests := []struct {
		name    string
		files   map[string]string
		message string
	}{
		{"nothing", nil, "neither tokenizer.json nor any of vocab.txt, vocab.json"},
		{"no unknown token", map[string]string{"vocab.txt": "a\nb\n"}, `"[UNK]" is not in the vocabulary`},
		{"not UTF-8", map[string]string{"vocab.txt": "[UNK]\n\xff\n"}, "not UTF-8"},
		{"class", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"tokenizer_class":"BertJapaneseTokenizer"}`}, "BertJapaneseTokenizer"},
		{"split", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"split_special_tokens":true}`}, "split_special_tokens"},
		{"case", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"do_lower_case":"yes"}`}, "do_lower_case"},
		{"no separator", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"sep_token":null}`}, `"sep_token" is null`},
		{"token", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"cls_token":{"content":"[CLS]","more":1}}`}, `"more" is not known`},
		{"id", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"added_tokens_decoder":{"9":{"content":"<x>"}}}`}, "has id 9"},
		{"id name", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"added_tokens_decoder":{"x":{"content":"<x>"}}}`}, "not named after an id"},
		{"list", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"additional_special_tokens":["a",1]}`}, "additional_special_tokens"},
		{"old id", map[string]string{"vocab.txt": vocab, "added_tokens.json": `{"<x>":"6"}`}, "<x>"},
		{"old map", map[string]string{"vocab.txt": vocab, "special_tokens_map.json": `[]`}, "special_tokens_map.json"},
		{"half", map[string]string{"vocab.json": "{}"}, "RobertaTokenizer needs merges.txt"},
		{"other files", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"tokenizer_class":"RobertaTokenizer"}`}, "RobertaTokenizer needs vocab.json"},
		{"other model", map[string]string{"vocab.txt": vocab, "config.json": `{"model_type":"deberta-v2"}`}, "DebertaV2Tokenizer needs spm.model"},
		{"null vocabulary", map[string]string{"vocab.json": "null", "merges.txt": "#\n"}, "vocab.json: no vocabulary: it is null"},
		{"merges", map[string]string{"vocab.json": `{"a":0}`, "merges.txt": "#\na b c\n"}, `merges.txt: line 2: "a b c" is not two tokens`},
		{"unknown merge", map[string]string{"vocab.json": `{"a":0}`, "merges.txt": "#\na b\n"}, "is not in the vocabulary"},
		{"empty model", map[string]string{"spm.model": ""}, "there are no pieces"},
		{"no model", map[string]string{"spm.model": "\xff"}, "spm.model: "},
		{"short model", map[string]string{"spm.model": "\x0a\x05\x0a\x09a"}, "spm.model: "},
		{"kind of model", map[string]string{"spm.model": "\x0a\x03\x0a\x01a\x12\x02\x18\x03"}, "kind 3"},
		{"other ends", map[string]string{"spm.model": "\x0a\x03\x0a\x01a", "tokenizer_config.json": `{"cls_token":"<s>"}`}, `only "[CLS]" and "[SEP]"`},
		{"tokenizer.json first", map[string]string{"vocab.txt": vocab, "tokenizer.json": `{}`}, `"model" is missing`},
	}
	for _, test := range tests {
		dir := t.TempDir()
		for name, content := range test.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: %v, want %q in it", test.name, err, test.message)
		}
	}
	if _, err := Read(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
}
