// Package addedtoken finds added tokens in a text: tokens that are taken out of the text before the model
// sees it.
package addedtoken

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"kenserve/internal/settings"
	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/trie"
)

// A Token is an added token.
type Token struct {
	Content    string
	ID         int32
	SingleWord bool // does not match next to a \w character
	LStrip     bool // the match includes white space before it
	RStrip     bool // the match includes white space after it
	Normalized bool // its normal form is searched in the normalized text; otherwise Content in the original text
	Special    bool
}

// A Set holds the tokens that are searched in one form of the text, original or normalized.
type Set struct {
	tokens  []Token
	forms   map[string]int // the searched strings, with their indices in tokens
	trie    *trie.Trie     // maps the searched strings to indices in tokens
	unicode *codepoint.Tables

	firstBytes   [256]bool // the first bytes of the searched strings
	firstByte    byte      // the first byte of all searched strings, if oneFirstByte
	oneFirstByte bool

	skipSpecial bool // special tokens are not found: they are ordinary text
}

// Table are the members of a token in tokenizer.json.
var Table = append(settings.Table{settings.Used("id")}, Flags...)

// Flags are the members of a token in other files.
var Flags = settings.Table{
	settings.Used("content"), settings.Used("single_word"), settings.Used("lstrip"), settings.Used("rstrip"),
	settings.Used("normalized"), settings.Used("special"),
}

// Parse reads the member "added_tokens" of a tokenizer.json, which is null or missing for none. It checks
// that the ids are those that Number gives.
func Parse(v jsonobject.Value, m model.Model) ([]Token, error) {
	elements, err := v.Elements()
	if err != nil {
		return nil, err
	}
	var tokens []Token
	for _, element := range elements {
		o := element.Object(Table)
		tokens = append(tokens, Token{
			ID:         int32(o.Count("id")),
			Content:    o.String("content"),
			SingleWord: o.Bool("single_word"),
			LStrip:     o.Bool("lstrip"),
			RStrip:     o.Bool("rstrip"),
			Normalized: o.Bool("normalized"),
			Special:    o.Bool("special"),
		})
		if err := o.Close(); err != nil {
			return nil, err
		}
	}
	numbered, err := Number(slices.Clone(tokens), m)
	if err != nil {
		return nil, err
	}
	for i, t := range numbered {
		if t.Content != "" && t.ID != tokens[i].ID {
			return nil, fmt.Errorf("%s: token %q has id %d, but its id in the vocabulary is %d",
				elements[i].Path(), t.Content, tokens[i].ID, t.ID)
		}
	}
	return numbered, nil
}

// Number sets the ids of tokens as the reference does: the id in the model, or for tokens that are not in
// the model the next numbers from the model's size on.
func Number(tokens []Token, m model.Model) ([]Token, error) {
	next := int32(m.Size())
	seen := make(map[string]bool)
	for i := range tokens {
		t := &tokens[i]
		if t.Content == "" {
			continue
		}
		if seen[t.Content] {
			return nil, fmt.Errorf("added token %q is listed twice", t.Content)
		}
		seen[t.Content] = true
		if t.ID = m.ID(t.Content); t.ID < 0 {
			t.ID = next
			next++
		}
	}
	return tokens, nil
}

// SpecialFirst returns tokens with special tokens before the others. It leaves out empty tokens, which
// never match.
func SpecialFirst(tokens []Token) []Token {
	var sorted []Token
	for _, special := range []bool{true, false} {
		for _, t := range tokens {
			if t.Special == special && t.Content != "" {
				sorted = append(sorted, t)
			}
		}
	}
	return sorted
}

// NewSet returns the set of those tokens whose flag Normalized is normalized. If it is true, the set
// searches for their normal forms by steps. If skipSpecial is true, special tokens are ordinary text: like
// the reference, the set finds them and goes on behind them. It returns nil if there are no tokens.
func NewSet(tokens []Token, normalized bool, steps []normalizer.Normalizer, skipSpecial bool) (*Set, error) {
	a := &Set{unicode: codepoint.Load(), skipSpecial: skipSpecial, forms: make(map[string]int)}
	var s normalizer.Scratch
	var entries []trie.Entry
	for _, t := range tokens {
		if t.Normalized != normalized {
			continue
		}
		form := t.Content
		if normalized {
			normal, err := s.Normalize(steps, []byte(form))
			if err != nil {
				return nil, fmt.Errorf("added token %q: %w", t.Content, err)
			}
			if form = string(normal); form == "" {
				return nil, fmt.Errorf("added token %q: its normal form is empty", t.Content)
			}
		}
		a.tokens = append(a.tokens, t)
		if _, ok := a.forms[form]; !ok { // of equal forms, the first counts
			a.forms[form] = len(a.tokens) - 1
			entries = append(entries, trie.Entry{Key: form, Value: int32(len(a.tokens) - 1)})
		}
	}
	if len(entries) == 0 {
		return nil, nil
	}
	a.firstByte, a.oneFirstByte = entries[0].Key[0], true
	for _, e := range entries {
		a.firstBytes[e.Key[0]] = true
		a.oneFirstByte = a.oneFirstByte && e.Key[0] == a.firstByte
	}
	a.trie = trie.New(entries)
	return a, nil
}

// Equal tells whether two sets find the same tokens in every text. A nil set has no tokens.
func (a *Set) Equal(b *Set) bool {
	if a == nil || b == nil {
		return a == b
	}
	return maps.EqualFunc(a.forms, b.forms, func(i, j int) bool {
		x, y := a.tokens[i], b.tokens[j]
		// Otherwise it only orders tokens of equal form.
		x.Special, y.Special = x.Special && a.skipSpecial, y.Special && b.skipSpecial
		x.Content, y.Content = "", "" // the form is what is searched for
		return x == y
	})
}

// Bytes returns approximately how much memory the set holds.
func (a *Set) Bytes() int64 {
	if a == nil {
		return 0
	}
	bytes := a.trie.Bytes()
	for form := range a.forms {
		bytes += int64(2*len(form)) + 128
	}
	return bytes
}

// find returns the first token in text at or after from, as text[start:end] and its index. If several
// tokens start at the same offset, it returns the longest. The index is -1 if there is none. find ignores
// flags.
func (a *Set) find(text []byte, from int) (start, end, token int) {
	for start = from; start < len(text); start++ {
		if a.oneFirstByte {
			k := bytes.IndexByte(text[start:], a.firstByte)
			if k < 0 {
				break
			}
			start += k
		} else if !a.firstBytes[text[start]] {
			continue
		}
		token = -1
		node := trie.Root
		for i := start; i < len(text); i++ {
			var ok bool
			if node, ok = a.trie.Child(node, text[i]); !ok {
				break
			}
			if a.trie.Ends(node) {
				end, token = i+1, int(a.trie.Value(node))
			}
		}
		if token >= 0 {
			return start, end, token
		}
	}
	return 0, 0, -1
}
