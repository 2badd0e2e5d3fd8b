package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// A model turns pieces of text into token ids.
type model interface {
	// encode appends the ids of a piece, which is not empty, to s.out.
	encode(s *scratch, piece []byte)
	// id returns the id of a token of the vocabulary, -1 for any other string.
	id(token string) int32
	// size returns the number of tokens; an added token that is not one of them gets the next
	// id. maxID returns the largest id, -1 without any.
	size() int
	maxID() int32
}

// parseModel reads the model section.
func parseModel(at string, raw []byte) (model, error) {
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

// A vocabulary maps tokens to ids.
type vocabulary map[string]vocabularyID

// A vocabularyID is a token's id. Unlike a plain int32 it does not read null as 0.
type vocabularyID int32

func (id *vocabularyID) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseUint(string(raw), 10, 31)
	if err != nil {
		return fmt.Errorf("%.20q is no token id", raw)
	}
	*id = vocabularyID(n)
	return nil
}

// Limits of a vocabulary, far above any in use, under which a trie's nodes can be numbered.
const (
	maxVocabularyTokens = 1 << 22
	maxVocabularyBytes  = 1 << 27
)

// check returns an error for a vocabulary over the limits.
func (v vocabulary) check() error {
	bytes := 0
	for token := range v {
		bytes += len(token)
	}
	if len(v) > maxVocabularyTokens || bytes > maxVocabularyBytes {
		return fmt.Errorf("vocabulary of %d tokens, %d bytes; at most %d and %d are supported",
			len(v), bytes, maxVocabularyTokens, maxVocabularyBytes)
	}
	return nil
}

// trie returns the trie of the tokens, to their ids.
func (v vocabulary) trie() *trie.Trie {
	entries := make([]trie.Entry, 0, len(v))
	for token, id := range v {
		entries = append(entries, trie.Entry{Key: token, Value: int32(id)})
	}
	return trie.New(entries)
}

func (v vocabulary) maxID() int32 {
	id := int32(-1)
	for _, k := range v {
		id = max(id, int32(k))
	}
	return id
}

// readVocabularyMember reads a member that maps tokens to ids.
func readVocabularyMember(o *jsonobject.Object, name string) vocabulary {
	raw := o.Take(name)
	if o.Err() != nil {
		return nil
	}
	v, err := parseVocabulary(raw)
	if err != nil {
		o.Fail(name, "is not a vocabulary", err)
	}
	return v
}

// parseVocabulary reads a JSON object that maps tokens to ids.
func parseVocabulary(raw []byte) (vocabulary, error) {
	var v vocabulary
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errors.New("it is null")
	}
	return v, v.check()
}
