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

// Files maps the names of a folder's files to their contents. They describe a tokenizer without
// tokenizer.json: the vocabulary files of a class, and the files above. A missing file has no entry. The
// tokenizer is the one that transformers' fast class makes of these files.
type Files map[string][]byte

// maxFile is the maximum size of a file, in bytes.
const maxFile = 1 << 28

// Read reads the tokenizer of a folder.
func Read(dir string) (Components, error) {
	data, err := readFile(filepath.Join(dir, tokenizerJSON))
	if err == nil {
		f := make(Files)
		for _, name := range []string{tokenizerConfig, modelConfig} {
			if err := f.read(dir, name); err != nil {
				return Components{}, err
			}
		}
		settings, err := f.overrides()
		if err != nil {
			return Components{}, err
		}
		return parse(data, settings)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Components{}, err
	}
	f, err := readFiles(dir)
	if err != nil {
		return Components{}, err
	}
	return f.Components()
}

// Names lists the names of all files that [Read] may look for. A name may be there twice.
func Names() []string {
	names := []string{tokenizerJSON, tokenizerConfig, specialTokensMap, addedTokens, modelConfig}
	for _, c := range classes {
		names = append(names, c.vocabulary...)
	}
	return names
}

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

// readFiles reads the files of dir that describe a tokenizer. It is an error if there is no vocabulary
// file.
func readFiles(dir string) (Files, error) {
	f := make(Files)
	for _, name := range []string{tokenizerConfig, specialTokensMap, addedTokens, modelConfig} {
		if err := f.read(dir, name); err != nil {
			return nil, err
		}
	}
	var names []string
	found := false
	for _, c := range classes {
		for _, name := range c.vocabulary {
			if slices.Contains(names, name) {
				continue
			}
			names = append(names, name)
			if err := f.read(dir, name); err != nil {
				return nil, err
			}
			found = found || f[name] != nil
		}
	}
	if !found {
		return nil, fmt.Errorf("there is neither %s nor any of %s: %w", tokenizerJSON, strings.Join(names, ", "), fs.ErrNotExist)
	}
	return f, nil
}
