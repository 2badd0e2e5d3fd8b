package model

import (
	"fmt"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// WordPiece splits a word into tokens of a vocabulary: the longest token at the start of the word, then
// the longest continuation token at the start of the rest, and so on. A word that is too long or cannot
// be split becomes one unknown token. Continuation tokens have a prefix ("##") in the vocabulary, so all
// of them are below one node of the trie.
type WordPiece struct {
	Tokens   *trie.Trie
	count    int
	largest  int32
	unknown  int32
	MaxChars int // words with more code points are unknown

	// continuation is the trie's node for the prefix of continuation tokens, -1 if there are none.
	continuation int32
}

// parseWordPiece reads a model of type WordPiece.
func parseWordPiece(o *jsonobject.Object) (Model, error) {
	unknown := o.String("unk_token")
	prefix := o.String("continuing_subword_prefix")
	maxChars := o.Count("max_input_chars_per_word")
	v := readVocabulary(o, "vocab")
	if err := o.Close(); err != nil {
		return nil, err
	}
	m, err := NewWordPiece(v, unknown, prefix, maxChars)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path(), err)
	}
	return m, nil
}

// NewWordPiece returns a WordPiece. unknown is the token for unknown words, prefix that of continuation
// tokens. Words of more than maxChars code points are unknown.
func NewWordPiece(v Vocabulary, unknown, prefix string, maxChars int) (*WordPiece, error) {
	id, ok := v[unknown]
	if !ok {
		return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", unknown)
	}
	m := &WordPiece{
		Tokens:       v.trie(),
		count:        len(v),
		largest:      v.maxID(),
		unknown:      int32(id),
		MaxChars:     maxChars,
		continuation: -1,
	}
	if n, ok := m.Tokens.Walk(trie.Root, prefix); ok {
		m.continuation = n
	}
	return m, nil
}

func (m *WordPiece) ID(token string) int32 { return m.Tokens.Get(token) }
func (m *WordPiece) Size() int             { return m.count }
func (m *WordPiece) MaxID() int32          { return m.largest }

func (m *WordPiece) Encode(s *Scratch, word []byte) {
	if len(word) > m.MaxChars && countCodePoints(word) > m.MaxChars {
		s.Out.Add(m.unknown)
		return
	}
	ids := s.ids[:0]
	// Tokens and words are valid UTF-8, so a token cannot end inside a code point.
	for node := trie.Root; len(word) > 0; node = m.continuation {
		id, length := int32(-1), 0
		if node >= 0 {
			id, length = m.longest(node, word)
		}
		if id < 0 {
			s.Out.Add(m.unknown)
			return
		}
		ids = append(ids, id)
		word = word[length:]
	}
	for _, id := range ids {
		s.Out.Add(id)
	}
	s.ids = ids
}

// countCodePoints returns the number of code points of text, which is valid UTF-8.
func countCodePoints(text []byte) int {
	n := 0
	for _, b := range text {
		if utf8.RuneStart(b) {
			n++
		}
	}
	return n
}

// longest finds the longest token below node that word starts with. It returns its id and its length in
// bytes, at least 1. The id is -1 if there is no such token.
func (m *WordPiece) longest(node int32, word []byte) (id int32, length int) {
	end := int32(-1)
	for i, b := range word {
		var ok bool
		if node, ok = m.Tokens.Child(node, b); !ok {
			break
		}
		if m.Tokens.Ends(node) {
			end, length = node, i+1
		}
	}
	if end < 0 {
		return -1, 0
	}
	return m.Tokens.Value(end), length
}
