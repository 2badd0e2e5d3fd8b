package addedtoken

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/trie"
)

// An addedToken is found in the text itself, before the model sees it.
type Token struct {
	Content    string
	ID         int32
	SingleWord bool // not where a \w character stands directly before or after it
	LStrip     bool // takes the white space before it along
	RStrip     bool // takes the white space after it along
	Normalized bool // sought, normalized, in the normalized text; otherwise as is in the given one
	Special    bool
}

// addedTokens are the tokens sought in one form of the text: given or normalized.
type Set struct {
	tokens  []Token
	trie    *trie.Trie // the strings that are sought, to indices in tokens
	unicode *codepoint.Tables

	firstBytes   [256]bool // first bytes of the strings
	firstByte    byte      // the only first byte, if there is only one
	oneFirstByte bool
}

// parseAddedTokens reads the added_tokens section and checks the ids against those that the tokens
// have in the model, or get behind it. The tokens come back special ones first, which is the order
// that decides between tokens of the same normal form.
func Parse(at string, raw json.RawMessage, m model.Model) ([]Token, error) {
	if raw == nil || jsonobject.IsNull(raw) {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	var tokens []Token
	for i, raw := range list {
		o, err := jsonobject.Read(fmt.Sprintf("%s[%d]", at, i), raw)
		if err != nil {
			return nil, err
		}
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
			return nil, fmt.Errorf("%s[%d]: %q has id %d, its place in the vocabulary is %d",
				at, i, t.Content, tokens[i].ID, t.ID)
		}
	}
	return SpecialFirst(numbered), nil
}

// numberAddedTokens gives tokens the ids that the reference gives them: the model's own, or the next
// ones behind the model's size.
func Number(tokens []Token, m model.Model) ([]Token, error) {
	next := int32(m.Size())
	seen := make(map[string]bool)
	for i := range tokens {
		t := &tokens[i]
		if t.Content == "" {
			continue
		}
		if seen[t.Content] {
			return nil, fmt.Errorf("added token %q is there twice", t.Content)
		}
		seen[t.Content] = true
		if t.ID = m.ID(t.Content); t.ID < 0 {
			t.ID = next
			next++
		}
	}
	return tokens, nil
}

// specialFirst returns tokens with the special ones before the others and without empty ones, which
// are never found.
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

// newAddedTokens returns those of tokens that are sought in normalized text, in the form that steps
// give them, or else those that are sought in the given text.
func NewSet(tokens []Token, normalized bool, steps []normalizer.Normalizer) (*Set, error) {
	a := &Set{unicode: codepoint.Load()}
	var s normalizer.Scratch
	var entries []trie.Entry
	seen := make(map[string]bool)
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
				return nil, fmt.Errorf("added token %q: nothing is left of it when it is normalized", t.Content)
			}
		}
		a.tokens = append(a.tokens, t)
		if !seen[form] { // of equal forms the first counts
			seen[form] = true
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

// find returns where the first token at or after from lies in text, and which it is: the longest of
// those that start there. It returns -1 if there is none. Flags do not matter yet.
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
