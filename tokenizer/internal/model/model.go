// Package model holds the stage of a tokenizer that turns a piece of text into token ids: WordPiece, BPE
// or Unigram.
package model

import (
	"fmt"

	"kenserve/tokenizer/internal/jsonobject"
)

// A Model turns pieces of text into token ids.
type Model interface {
	// Encode appends the ids of a piece to s.Out. The piece is not empty.
	Encode(s *Scratch, piece []byte)
	// ID returns the id of a token of the vocabulary, -1 for any other string.
	ID(token string) int32
	// Size returns the number of tokens. The first added token that is not in the vocabulary gets this
	// number as its id.
	Size() int
	// MaxID returns the largest id, -1 if there are no tokens.
	MaxID() int32
	// Bytes returns approximately how much memory the model holds.
	Bytes() int64
}

// Parse reads the member "model" of a tokenizer.json. path is the location of the member, for errors.
func Parse(path string, raw []byte) (Model, error) {
	o, err := jsonobject.Read(path, raw)
	if err != nil {
		return nil, err
	}
	// Old files do not name the type of the model, but each type has a member that the others lack.
	kind := "WordPiece"
	switch {
	case o.Has("type"):
		kind = o.String("type")
	case o.Has("merges"):
		kind = "BPE"
	case o.Has("unk_id"):
		kind = "Unigram"
	case !o.Has("max_input_chars_per_word"):
		return nil, fmt.Errorf("%s: the type of the model is unknown: there is neither \"type\" nor \"merges\", \"unk_id\" or \"max_input_chars_per_word\"", path)
	}
	switch kind {
	case "WordPiece":
		return parseWordPiece(o)
	case "BPE":
		return parseBPE(o)
	case "Unigram":
		return parseUnigram(o)
	}
	if err := o.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s: type %q is not supported; supported are WordPiece, BPE and Unigram", path, kind)
}
