package model

import (
	"fmt"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// wordLevel maps whole pieces to ids. A piece that is not in the vocabulary becomes the unknown token.
type wordLevel struct {
	tokens  *trie.Trie
	count   int
	largest int32
	unknown int32
}

// parseWordLevel reads a model of type WordLevel. Without its unknown token in the vocabulary, the
// reference fails at the first unknown piece; here that is an error when the file is read.
func parseWordLevel(o *jsonobject.Object) (Model, error) {
	unknown := o.String("unk_token")
	v := readVocabulary(o, "vocab")
	if err := o.Close(); err != nil {
		return nil, err
	}
	id, ok := v[unknown]
	if !ok {
		return nil, fmt.Errorf("%s: the unknown token %q is not in the vocabulary", o.Path(), unknown)
	}
	return &wordLevel{tokens: v.trie(), count: len(v), largest: v.maxID(), unknown: int32(id)}, nil
}

func (m *wordLevel) ID(token string) int32 { return m.tokens.Get(token) }
func (m *wordLevel) Size() int             { return m.count }
func (m *wordLevel) MaxID() int32          { return m.largest }

func (m *wordLevel) Encode(s *Scratch, piece []byte) {
	id := m.tokens.GetBytes(piece)
	if id < 0 {
		id = m.unknown
	}
	s.Out.Add(id)
}
