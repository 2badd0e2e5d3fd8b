package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// A Vocabulary maps tokens to ids.
type Vocabulary map[string]ID

// An ID is the id of a token in JSON. Unlike an int32 it does not accept null.
type ID int32

// UnmarshalJSON accepts an integer from 0 to 2³¹-1.
func (id *ID) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseUint(string(raw), 10, 31)
	if err != nil {
		return fmt.Errorf("%.20q is not a token id: an integer from 0 to 2147483647", raw)
	}
	*id = ID(n)
	return nil
}

// Limits of a vocabulary. They are far above any published vocabulary and keep the node numbers of a trie
// within an int32.
const (
	maxVocabularyTokens = 1 << 22
	maxVocabularyBytes  = 1 << 27
)

// Check returns an error for a vocabulary over the limits.
func (v Vocabulary) Check() error {
	bytes := 0
	for token := range v {
		bytes += len(token)
	}
	if len(v) > maxVocabularyTokens || bytes > maxVocabularyBytes {
		return fmt.Errorf("the vocabulary has %d tokens with %d bytes; at most %d tokens with %d bytes are supported",
			len(v), bytes, maxVocabularyTokens, maxVocabularyBytes)
	}
	return nil
}

// trie returns a trie that maps the tokens to their ids.
func (v Vocabulary) trie() *trie.Trie {
	entries := make([]trie.Entry, 0, len(v))
	for token, id := range v {
		entries = append(entries, trie.Entry{Key: token, Value: int32(id)})
	}
	return trie.New(entries)
}

// maxID returns the largest id, -1 if there are no tokens.
func (v Vocabulary) maxID() int32 {
	id := int32(-1)
	for _, k := range v {
		id = max(id, int32(k))
	}
	return id
}

// readVocabulary reads a member that maps tokens to ids.
func readVocabulary(o *jsonobject.Object, name string) Vocabulary {
	raw := o.Required(name).Raw()
	if o.Err() != nil {
		return nil
	}
	v, err := ParseVocabulary(raw)
	if err != nil {
		o.Fail(name, "is not a vocabulary", err)
	}
	return v
}

// ParseVocabulary reads a JSON object that maps tokens to ids.
func ParseVocabulary(raw []byte) (Vocabulary, error) {
	var v Vocabulary
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errors.New("it is null")
	}
	return v, v.Check()
}
