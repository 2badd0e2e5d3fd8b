package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefusedFolders: the error for an unsupported or broken folder names the file and the member.
func TestRefusedFolders(t *testing.T) {
	const vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n"
	tests := []struct {
		name    string
		files   map[string]string
		message string
	}{
		{"no files", nil, "neither tokenizer.json nor any of vocab.txt, vocab.json"},
		{"no unknown token", map[string]string{"vocab.txt": "a\nb\n"}, `"[UNK]" is not in the vocabulary`},
		{"vocabulary is not UTF-8", map[string]string{"vocab.txt": "[UNK]\n\xff\n"}, "not valid UTF-8"},
		{"unsupported class", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"tokenizer_class":"BertJapaneseTokenizer"}`}, "BertJapaneseTokenizer"},
		{"flag of the wrong type", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"do_lower_case":"yes"}`}, "do_lower_case"},
		{"null separator token", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"sep_token":null}`}, `"sep_token" is null`},
		{"id is not that of the vocabulary", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"added_tokens_decoder":{"9":{"content":"<x>"}}}`}, "has id 9"},
		{"key of added_tokens_decoder is not an id", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"added_tokens_decoder":{"x":{"content":"<x>"}}}`}, "must be named by a token id"},
		{"additional token is not a string", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"additional_special_tokens":["a",1]}`}, "additional_special_tokens"},
		{"id in added_tokens.json is not a number", map[string]string{"vocab.txt": vocab, "added_tokens.json": `{"<x>":"6"}`}, "<x>"},
		{"special_tokens_map.json is not an object", map[string]string{"vocab.txt": vocab, "special_tokens_map.json": `[]`}, "special_tokens_map.json"},
		{"merges.txt is missing", map[string]string{"vocab.json": "{}"}, "RobertaTokenizer needs merges.txt"},
		{"files of another class than tokenizer_class", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"tokenizer_class":"RobertaTokenizer"}`}, "RobertaTokenizer needs vocab.json"},
		{"files of another class than model_type", map[string]string{"vocab.txt": vocab, "config.json": `{"model_type":"deberta-v2"}`}, "DebertaV2Tokenizer needs spm.model"},
		{"null vocabulary", map[string]string{"vocab.json": "null", "merges.txt": "#\n"}, "vocab.json: not a vocabulary: it is null"},
		{"malformed merge", map[string]string{"vocab.json": `{"a":0}`, "merges.txt": "#\na b c\n"}, `merges.txt: line 2: "a b c" is not two tokens`},
		{"merge of an unknown token", map[string]string{"vocab.json": `{"a":0}`, "merges.txt": "#\na b\n"}, "is not in the vocabulary"},
		{"empty model", map[string]string{"spm.model": ""}, "the model has no pieces"},
		{"model file is not a protocol buffer", map[string]string{"spm.model": "\xff"}, "spm.model: "},
		{"truncated model file", map[string]string{"spm.model": "\x0a\x05\x0a\x09a"}, "spm.model: "},
		{"unsupported type of model", map[string]string{"spm.model": "\x0a\x03\x0a\x01a\x12\x02\x18\x03"}, "the model has type 3"},
		{"unsupported cls_token", map[string]string{"spm.model": "\x0a\x03\x0a\x01a", "tokenizer_config.json": `{"cls_token":"<s>"}`}, `only "[CLS]" and "[SEP]"`},
		{"LFS pointer as tokenizer.json", map[string]string{"vocab.txt": vocab, "tokenizer.json": "version https://git-lfs.github.com/spec/v1\n"}, "git lfs pull"},
		{"LFS pointer as vocabulary", map[string]string{"spm.model": "version https://git-lfs.github.com/spec/v1\n"}, "git lfs pull"},
		{"byte order mark, then the error", map[string]string{"tokenizer.json": "\ufeff{}"}, `"model" is missing`},
		{"not JSON", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": "{\n\"a\": }"}, "tokenizer_config.json: not valid JSON"},
		{"truncated JSON", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": "{\"a\": "}, "tokenizer_config.json: not valid JSON"},
		{"tokenizer.json has priority over vocab.txt", map[string]string{"vocab.txt": vocab, "tokenizer.json": `{}`}, `"model" is missing`},
	}
	for _, test := range tests {
		dir := t.TempDir()
		for name, content := range test.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := readFolder(dir); err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: got error %v, want one with %q", test.name, err, test.message)
		}
	}
	if _, err := readFolder(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty folder: got error %v, want fs.ErrNotExist", err)
	}
}

// readFolder reads the tokenizer of a folder.
func readFolder(dir string) (Components, error) {
	f, err := Collect(dir)
	if err != nil {
		return Components{}, err
	}
	return f.Components()
}
