package tokenizer

import (
	"fmt"
	"reflect"

	"kenserve/tokenizer/internal/folder"
	"kenserve/tokenizer/internal/model"
)

// Files are the files that a tokenizer is made of: the content by the name in a Hugging Face folder. The
// file config.json has only the settings that tokenizers depend on.
type Files map[string][]byte

// ReadFiles reads the files of a Hugging Face folder from which [Open] makes its tokenizer.
func ReadFiles(dir string) (Files, error) {
	f, err := folder.Collect(dir)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	return Files(f), nil
}

// FileNames lists the names that files of a tokenizer can have, sorted.
func FileNames() []string { return folder.Names() }

// Exists tells whether a Hugging Face folder has a tokenizer.json or a vocabulary, readable or not.
func Exists(dir string) bool { return folder.Exists(dir) }

// New returns the tokenizer of the files. It keeps no reference to them.
func New(f Files) (*Tokenizer, error) { return assemble(folder.Files(f).Components()) }

// Equal tells whether two tokenizers give the same encodings for all texts and options, and have the same
// limit and end of truncation. It compares their stages, so two that do the same by other stages count as
// different.
func (t *Tokenizer) Equal(u *Tokenizer) bool {
	return t.size == u.size && t.MaxLength() == u.MaxLength() && t.Direction() == u.Direction() && t.addedRaw.Equal(u.addedRaw) && t.addedNormalized.Equal(u.addedNormalized) &&
		reflect.DeepEqual(t.normalizer, u.normalizer) && reflect.DeepEqual(t.preTokenizer, u.preTokenizer) &&
		reflect.DeepEqual(t.assemblies, u.assemblies) && model.Equal(t.model, u.model)
}

// Bytes returns approximately how much memory the tokenizer holds, without the buffers of encodings that
// are in progress.
func (t *Tokenizer) Bytes() int64 {
	const rest = 64 << 10 // stages other than the model, and the tables of the fast path
	return t.model.Bytes() + t.addedRaw.Bytes() + t.addedNormalized.Bytes() + rest
}
