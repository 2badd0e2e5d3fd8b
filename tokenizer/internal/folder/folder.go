// Package folder reads the tokenizer of a Hugging Face folder: either tokenizer.json alone, which
// describes all stages, or vocabulary files with tokenizer_config.json, special_tokens_map.json and
// added_tokens.json. The result is the stages, as Components.
package folder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"kenserve/internal/lfs"
	"kenserve/internal/regular"
)

// The files that may describe a tokenizer, besides vocabulary files.
const (
	tokenizerJSON    = "tokenizer.json"
	tokenizerConfig  = "tokenizer_config.json"
	specialTokensMap = "special_tokens_map.json" // of old folders
	addedTokens      = "added_tokens.json"       // of old folders
	modelConfig      = "config.json"             // its model_type gives the class if nothing else does
)

// Files maps the names of a folder's files to their contents: tokenizer.json or the vocabulary files of a
// class, and the other files above. A missing file has no entry. Without tokenizer.json, the tokenizer is
// the one that transformers' fast class makes of these files.
type Files map[string][]byte

// maxFile is the maximum size of a file, in bytes.
const maxFile = 1 << 28

// read reads a file of dir, if it exists.
func (f Files) read(dir, name string) error {
	data, err := readFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		f[name] = data
	}
	return err
}

// readFile reads a file, without a byte order mark at the beginning of JSON.
func readFile(path string) ([]byte, error) {
	data, err := regular.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	if err := lfs.Check(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if filepath.Ext(path) == ".json" {
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
	}
	return data, nil
}

// readVocabulary reads the vocabulary files of dir. It is an error if there is none.
func (f Files) readVocabulary(dir string) error {
	var names []string
	found := false
	for _, c := range classes {
		for _, name := range c.vocabulary {
			if slices.Contains(names, name) {
				continue
			}
			names = append(names, name)
			if err := f.read(dir, name); err != nil {
				return err
			}
			found = found || f[name] != nil
		}
	}
	if !found {
		return fmt.Errorf("there is neither %s nor any of %s: %w", tokenizerJSON, strings.Join(names, ", "), fs.ErrNotExist)
	}
	return nil
}
