package model

import (
	"fmt"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// A wordPiece cuts a word into the tokens of a vocabulary: the longest that the word starts with,
// then the longest continuing token that the rest starts with, and so on. A word that cannot be cut
// so, or is too long, becomes one unknown token. Continuing tokens carry a prefix ("##") in the
// vocabulary, so they lie below one node of its trie.
type WordPiece struct {
	Tokens   *trie.Trie
	count    int
	largest  int32
	unknown  int32
	MaxChars int // longer words, in code points, are unknown

	// rest is the trie's node for the prefix of continuing tokens, -1 if there are none.
	continuation int32
}

// parseWordPiece reads a model section of that type.
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

func NewWordPiece(v Vocabulary, unknown, prefix string, maxChars int) (*WordPiece, error) {
	id, ok := v[unknown]
	if !ok {
		return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", unknown)
	}
	m := &WordPiece{
		Tokens:       v.trie(),
		count:        len(v),
		largest:      v.MaxID(),
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
	// Tokens and words are UTF-8, so a token never ends inside a code point of the word.
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

// countCodePoints counts the code points of a text by their first bytes.
func countCodePoints(text []byte) int {
	n := 0
	for _, b := range text {
		if utf8.RuneStart(b) {
			n++
		}
	}
	return n
}

// longest returns the id and the length of the longest token, at least a byte, that word starts
// with below node; -1 if there is none.
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
