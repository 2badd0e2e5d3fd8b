package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Names are the names of all files that may describe a tokenizer, sorted.
func Names() []string {
	names := []string{tokenizerJSON, tokenizerConfig, specialTokensMap, addedTokens, modelConfig}
	for _, c := range classes {
		names = append(names, c.vocabulary...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Collect reads the files of dir that its tokenizer is made of. With a tokenizer.json, vocabulary files
// are not among them. It keeps only those settings of config.json that tokenizers depend on.
func Collect(dir string) (Files, error) {
	f := make(Files)
	for _, name := range []string{tokenizerJSON, tokenizerConfig, specialTokensMap, addedTokens, modelConfig} {
		if err := f.read(dir, name); err != nil {
			return nil, err
		}
	}
	if f[tokenizerJSON] == nil {
		if err := f.readVocabulary(dir); err != nil {
			return nil, err
		}
	}
	if err := f.reduceConfig(); err != nil {
		return nil, fmt.Errorf("%s: %w", modelConfig, err)
	}
	return f, nil
}

// reduceConfig drops the settings of config.json that tokenizers do not depend on.
func (f Files) reduceConfig() error {
	var model map[string]json.RawMessage
	if f[modelConfig] == nil || json.Unmarshal(f[modelConfig], &model) != nil {
		delete(f, modelConfig) // another package reads config.json and reports its errors
		return nil
	}
	for name := range model {
		if name != "model_type" && name != "tokenizer_class" {
			delete(model, name)
		}
	}
	text, err := json.Marshal(model)
	f[modelConfig] = text
	return err
}

// Exists tells whether dir has a file that says what its tokenizer is: tokenizer.json or a vocabulary.
func Exists(dir string) bool {
	for _, name := range Names() {
		switch name {
		case tokenizerConfig, specialTokensMap, addedTokens, modelConfig:
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}
