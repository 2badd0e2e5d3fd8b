// Package model holds the stage of a tokenizer that turns a piece of text into token ids: WordPiece, BPE
// Unigram or WordLevel.
package model

import (
	"fmt"

	"kenserve/internal/settings"
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

// Types are the models of the reference, with their settings.
var Types = []jsonobject.Type{
	{Name: "WordPiece", Settings: settings.Table{settings.Used("vocab"), settings.Used("unk_token"), settings.Used("continuing_subword_prefix"), settings.Used("max_input_chars_per_word")}},
	{Name: "BPE", Settings: settings.Table{
		settings.Used("vocab"), settings.Used("merges"), settings.Used("unk_token"), settings.Used("continuing_subword_prefix"), settings.Used("end_of_word_suffix"),
		settings.Used("fuse_unk"), settings.Used("byte_fallback"), settings.Used("ignore_merges"),
		settings.Refused("dropout", "with dropout ids are random: set it to null", "0", "0.0"),
	}},
	{Name: "Unigram", Settings: settings.Table{settings.Used("vocab"), settings.Used("unk_id"), settings.Used("byte_fallback")}},
	{Name: "WordLevel", Settings: settings.Table{settings.Used("vocab"), settings.Used("unk_token")}},
}

// Parse reads the member "model" of a tokenizer.json.
func Parse(v jsonobject.Value) (Model, error) {
	o := v.Map()
	// Old files do not name the type of the model, but each type has a member that the others lack.
	kind := "WordPiece"
	switch {
	case o.Err() != nil:
		return nil, o.Err()
	case o.Has("type"):
		kind = o.String("type")
	case o.Has("merges"):
		kind = "BPE"
	case o.Has("unk_id"):
		kind = "Unigram"
	case !o.Has("max_input_chars_per_word"):
		return nil, fmt.Errorf("%s: the type of the model is unknown: there is neither \"type\" nor \"merges\", \"unk_id\" or \"max_input_chars_per_word\"", v.Path())
	}
	if o.Err() != nil {
		return nil, o.Err()
	}
	if err := o.SetType(Types, kind); err != nil {
		return nil, err
	}
	switch kind {
	case "WordPiece":
		return parseWordPiece(o)
	case "BPE":
		return parseBPE(o)
	case "WordLevel":
		return parseWordLevel(o)
	}
	return parseUnigram(o)
}
