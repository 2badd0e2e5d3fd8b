package prune

import (
	"bytes"
	"fmt"
	"maps"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/tokenizer"
)

// takeTokenizer compares the tuned checkpoint's tokenizer with the base's. If it can give other
// token ids for any text, it becomes part of the delta. A tokenizer that is not supported is an
// error, unless the delta cannot be served anyway.
func (s *Source) takeTokenizer(c Config) error {
	name := folderName(c.TunedDir)
	base, baseFiles := openTokenizer(c.BaseDir)
	if base != nil {
		s.noteBaseUnknown(base.Unknown()...)
	}
	if !tokenizer.Exists(c.TunedDir) {
		s.Notes = append(s.Notes, name+" has no tokenizer: the task uses the base's")
		return nil
	}
	files, err := tokenizer.ReadFiles(c.TunedDir)
	var own *tokenizer.Tokenizer
	if err == nil {
		// The folder of an adapter seldom has a configuration; its model's is the base's.
		if files[models.ConfigFile] == nil && baseFiles[models.ConfigFile] != nil {
			files[models.ConfigFile] = baseFiles[models.ConfigFile]
		}
		own, err = tokenizer.New(files)
	}
	if err == nil {
		s.tokenizerUnknown = own.Unknown()
	}
	switch {
	case err != nil && s.Unservable != "":
		s.Warnings = append(s.Warnings, fmt.Sprintf("the delta does not have the tokenizer of %s: %v", name, err))
		return nil
	case err != nil:
		return fmt.Errorf("prune: the tokenizer of %s cannot be served: %w", c.TunedDir, err)
	case base != nil && (maps.EqualFunc(files, baseFiles, bytes.Equal) || own.Equal(base)):
		return nil
	}
	if s.arch != nil {
		if rows := s.arch.Limits().Vocabulary; own.Size() > rows {
			s.Warnings = append(s.Warnings, fmt.Sprintf("the tokenizer of %s has token ids up to %d, but the model's table has %d rows: texts with the tokens beyond are refused", name, own.Size()-1, rows))
		}
	}
	if s.files, err = delta.CompressTokenizer(files); err != nil {
		return fmt.Errorf("prune: the tokenizer of %s: %w", c.TunedDir, err)
	}
	s.own = own
	s.Notes = append(s.Notes, fmt.Sprintf("the tokenizer of %s is not the base's: the delta has it, compressed to %d bytes", name, s.files.Bytes()))
	return nil
}

// openTokenizer opens the tokenizer of the base, and returns its files. If it cannot be served,
// nobody can say that another one is equal.
func openTokenizer(dir string) (*tokenizer.Tokenizer, tokenizer.Files) {
	files, err := tokenizer.ReadFiles(dir)
	if err != nil {
		return nil, nil
	}
	t, err := tokenizer.New(files)
	if err != nil {
		return nil, files
	}
	return t, files
}

// resizedNote says what becomes of a table with another number of rows.
func resizedNote(table string, base, tuned int) string {
	if tuned > base {
		return fmt.Sprintf("table %s has %d rows, the base's %d: the delta has the %d added rows whole", table, tuned, base, tuned-base)
	}
	return fmt.Sprintf("table %s has %d rows, the base's %d: the task does not use the rest", table, tuned, base)
}
