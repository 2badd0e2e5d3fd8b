package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// A vocabulary maps tokens to ids.
type Vocabulary map[string]ID

// A vocabularyID is a token's id. Unlike a plain int32 it does not read null as 0.
type ID int32

func (id *ID) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseUint(string(raw), 10, 31)
	if err != nil {
		return fmt.Errorf("%.20q is no token id", raw)
	}
	*id = ID(n)
	return nil
}

// Limits of a vocabulary, far above any in use, under which a trie's nodes can be numbered.
const (
	maxVocabularyTokens = 1 << 22
	maxVocabularyBytes  = 1 << 27
)

// check returns an error for a vocabulary over the limits.
func (v Vocabulary) Check() error {
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
func (v Vocabulary) trie() *trie.Trie {
	entries := make([]trie.Entry, 0, len(v))
	for token, id := range v {
		entries = append(entries, trie.Entry{Key: token, Value: int32(id)})
	}
	return trie.New(entries)
}

func (v Vocabulary) MaxID() int32 {
	id := int32(-1)
	for _, k := range v {
		id = max(id, int32(k))
	}
	return id
}

// readVocabularyMember reads a member that maps tokens to ids.
func readVocabulary(o *jsonobject.Object, name string) Vocabulary {
	raw := o.Take(name)
	if o.Err() != nil {
		return nil
	}
	v, err := ParseVocabulary(raw)
	if err != nil {
		o.Fail(name, "is not a vocabulary", err)
	}
	return v
}

// parseVocabulary reads a JSON object that maps tokens to ids.
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
