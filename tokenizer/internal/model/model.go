package model

import (
	"fmt"

	"kenserve/tokenizer/internal/jsonobject"
)

// A model turns pieces of text into token ids.
type Model interface {
	// encode appends the ids of a piece, which is not empty, to s.out.
	Encode(s *Scratch, piece []byte)
	// id returns the id of a token of the vocabulary, -1 for any other string.
	ID(token string) int32
	// size returns the number of tokens; an added token that is not one of them gets the next
	// id. maxID returns the largest id, -1 without any.
	Size() int
	MaxID() int32
}

// parseModel reads the model section.
func Parse(at string, raw []byte) (Model, error) {
	o, err := jsonobject.Read(at, raw)
	if err != nil {
		return nil, err
	}
	// Files of old do not name the model; its fields tell.
	kind := "WordPiece"
	switch {
	case o.Has("type"):
		kind = o.String("type")
	case o.Has("merges"):
		kind = "BPE"
	case o.Has("unk_id"):
		kind = "Unigram"
	case !o.Has("max_input_chars_per_word"):
		return nil, fmt.Errorf("%s: neither a type nor the fields of one", at)
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
	return nil, fmt.Errorf("%s: type %q is not supported", at, kind)
}
