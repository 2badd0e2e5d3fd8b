package tokenizer

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
type wordPiece struct {
	tokens   *trie.Trie
	count    int
	largest  int32
	unknown  int32
	maxChars int // longer words, in code points, are unknown

	// rest is the trie's node for the prefix of continuing tokens, -1 if there are none.
	rest int32
}

// parseWordPiece reads a model section of that type.
func parseWordPiece(o *jsonobject.Object) (model, error) {
	unknown := o.String("unk_token")
	prefix := o.String("continuing_subword_prefix")
	maxChars := o.Count("max_input_chars_per_word")
	v := readVocabularyMember(o, "vocab")
	if err := o.Close(); err != nil {
		return nil, err
	}
	m, err := newWordPiece(v, unknown, prefix, maxChars)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path(), err)
	}
	return m, nil
}

func newWordPiece(v vocabulary, unknown, prefix string, maxChars int) (*wordPiece, error) {
	id, ok := v[unknown]
	if !ok {
		return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", unknown)
	}
	m := &wordPiece{
		tokens:   v.trie(),
		count:    len(v),
		largest:  v.maxID(),
		unknown:  int32(id),
		maxChars: maxChars,
		rest:     -1,
	}
	if n, ok := m.tokens.Walk(trie.Root, prefix); ok {
		m.rest = n
	}
	return m, nil
}

func (m *wordPiece) id(token string) int32 { return m.tokens.Get(token) }
func (m *wordPiece) size() int             { return m.count }
func (m *wordPiece) maxID() int32          { return m.largest }

func (m *wordPiece) encode(s *scratch, word []byte) {
	if len(word) > m.maxChars && countCodePoints(word) > m.maxChars {
		s.out.add(m.unknown)
		return
	}
	ids := s.ids[:0]
	// Tokens and words are UTF-8, so a token never ends inside a code point of the word.
	for node := trie.Root; len(word) > 0; node = m.rest {
		id, length := int32(-1), 0
		if node >= 0 {
			id, length = m.longest(node, word)
		}
		if id < 0 {
			s.out.add(m.unknown)
			return
		}
		ids = append(ids, id)
		word = word[length:]
	}
	for _, id := range ids {
		s.out.add(id)
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
func (m *wordPiece) longest(node int32, word []byte) (id int32, length int) {
	end := int32(-1)
	for i, b := range word {
		var ok bool
		if node, ok = m.tokens.Child(node, b); !ok {
			break
		}
		if m.tokens.Ends(node) {
			end, length = node, i+1
		}
	}
	if end < 0 {
		return -1, 0
	}
	return m.tokens.Value(end), length
}
