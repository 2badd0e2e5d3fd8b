package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// files are the files of a folder that describe its tokenizer without tokenizer.json, by name:
// vocabularies, and
//
//	tokenizer_config.json
//	special_tokens_map.json and added_tokens.json, of old folders
//	config.json, whose model_type tells the class if nothing else does
//
// The tokenizer that they make is the one that transformers' fast class makes of them.
type Files map[string][]byte

// maxFile bounds the files of a folder.
const maxFile = 1 << 28

// readFolder reads the tokenizer of a folder.
func Read(dir string) (Components, error) {
	data, err := os.ReadFile(filepath.Join(dir, tokenizerJSON))
	if err == nil {
		return Parse(data)
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

// readFiles reads those of the files that are in the folder. It is an error if none has a vocabulary.
func readFiles(dir string) (Files, error) {
	f := make(Files)
	read := func(name string) error {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Size() > maxFile {
			return fmt.Errorf("%s has %d bytes; at most %d are supported", name, info.Size(), maxFile)
		}
		data, err := os.ReadFile(path)
		if err == nil {
			f[name] = data
		}
		return err
	}
	for _, name := range []string{"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"} {
		if err := read(name); err != nil {
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
			if err := read(name); err != nil {
				return nil, err
			}
			found = found || f[name] != nil
		}
	}
	if !found {
		return nil, fmt.Errorf("there is neither tokenizer.json nor any of %s: %w", strings.Join(names, ", "), fs.ErrNotExist)
	}
	return f, nil
}
