package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/trie"
)

// An addedToken is found in the text itself, before the model sees it.
type addedToken struct {
	content    string
	id         int32
	singleWord bool // not where a \w character stands directly before or after it
	lstrip     bool // takes the white space before it along
	rstrip     bool // takes the white space after it along
	normalized bool // sought, normalized, in the normalized text; otherwise as is in the given one
	special    bool
}

// addedTokens are the tokens sought in one form of the text: given or normalized.
type addedTokens struct {
	tokens  []addedToken
	forms   *trie.Trie // the strings that are sought, to indices in tokens
	unicode *codepoint.Tables

	starts [256]bool // first bytes of the strings
	start  byte      // the only first byte, if there is only one
	single bool
}

// parseAddedTokens reads the added_tokens section and checks the ids against those that the tokens
// have in the model, or get behind it. The tokens come back special ones first, which is the order
// that decides between tokens of the same normal form.
func parseAddedTokens(at string, raw json.RawMessage, m model.Model) ([]addedToken, error) {
	if raw == nil || jsonobject.IsNull(raw) {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	var tokens []addedToken
	for i, raw := range list {
		o, err := jsonobject.Read(fmt.Sprintf("%s[%d]", at, i), raw)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, addedToken{
			id:         int32(o.Count("id")),
			content:    o.String("content"),
			singleWord: o.Bool("single_word"),
			lstrip:     o.Bool("lstrip"),
			rstrip:     o.Bool("rstrip"),
			normalized: o.Bool("normalized"),
			special:    o.Bool("special"),
		})
		if err := o.Close(); err != nil {
			return nil, err
		}
	}
	numbered, err := numberAddedTokens(slices.Clone(tokens), m)
	if err != nil {
		return nil, err
	}
	for i, t := range numbered {
		if t.content != "" && t.id != tokens[i].id {
			return nil, fmt.Errorf("%s[%d]: %q has id %d, its place in the vocabulary is %d",
				at, i, t.content, tokens[i].id, t.id)
		}
	}
	return specialFirst(numbered), nil
}

// numberAddedTokens gives tokens the ids that the reference gives them: the model's own, or the next
// ones behind the model's size.
func numberAddedTokens(tokens []addedToken, m model.Model) ([]addedToken, error) {
	next := int32(m.Size())
	seen := make(map[string]bool)
	for i := range tokens {
		t := &tokens[i]
		if t.content == "" {
			continue
		}
		if seen[t.content] {
			return nil, fmt.Errorf("added token %q is there twice", t.content)
		}
		seen[t.content] = true
		if t.id = m.ID(t.content); t.id < 0 {
			t.id = next
			next++
		}
	}
	return tokens, nil
}

// specialFirst returns tokens with the special ones before the others and without empty ones, which
// are never found.
func specialFirst(tokens []addedToken) []addedToken {
	var sorted []addedToken
	for _, special := range []bool{true, false} {
		for _, t := range tokens {
			if t.special == special && t.content != "" {
				sorted = append(sorted, t)
			}
		}
	}
	return sorted
}

// newAddedTokens returns those of tokens that are sought in normalized text, in the form that steps
// give them, or else those that are sought in the given text.
func newAddedTokens(tokens []addedToken, normalized bool, steps []normalizer.Normalizer) (*addedTokens, error) {
	a := &addedTokens{unicode: codepoint.Load()}
	var s normalizer.Scratch
	var entries []trie.Entry
	seen := make(map[string]bool)
	for _, t := range tokens {
		if t.normalized != normalized {
			continue
		}
		form := t.content
		if normalized {
			normal, err := s.Normalize(steps, []byte(form))
			if err != nil {
				return nil, fmt.Errorf("added token %q: %w", t.content, err)
			}
			if form = string(normal); form == "" {
				return nil, fmt.Errorf("added token %q: nothing is left of it when it is normalized", t.content)
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
	a.start, a.single = entries[0].Key[0], true
	for _, e := range entries {
		a.starts[e.Key[0]] = true
		a.single = a.single && e.Key[0] == a.start
	}
	a.forms = trie.New(entries)
	return a, nil
}

// find returns where the first token at or after from lies in text, and which it is: the longest of
// those that start there. It returns -1 if there is none. Flags do not matter yet.
func (a *addedTokens) find(text []byte, from int) (start, end, token int) {
	for start = from; start < len(text); start++ {
		if a.single {
			k := bytes.IndexByte(text[start:], a.start)
			if k < 0 {
				break
			}
			start += k
		} else if !a.starts[text[start]] {
			continue
		}
		token = -1
		node := trie.Root
		for i := start; i < len(text); i++ {
			var ok bool
			if node, ok = a.forms.Child(node, text[i]); !ok {
				break
			}
			if a.forms.Ends(node) {
				end, token = i+1, int(a.forms.Value(node))
			}
		}
		if token >= 0 {
			return start, end, token
		}
	}
	return 0, 0, -1
}

// An addedScan walks over a text that is split at added tokens.
type addedScan struct {
	tokens *addedTokens
	text   []byte
	search int // where the search for the next token starts
	taken  int // where the last token, with the white space it took along, ends

	found bool // a token was found; the text before it was returned, it was not
	id    int32
	end   int // where taken will be

	spaces struct{ from, to int } // white space that an rstrip ended in, so as not to walk over it again and again
}

// next returns the next part of the text: an added token's id, or a part without added tokens and
// -1. Parts are not empty. At the end it returns false.
//
// Tokens do not overlap, but the white space that one takes along may contain another, which is
// returned as well: the reference looks for tokens first and for white space then.
func (c *addedScan) next() (part []byte, id int32, ok bool) {
	if c.found {
		c.found, c.taken = false, c.end
		return nil, c.id, true
	}
	for c.search < len(c.text) {
		start, end, k := c.tokens.find(c.text, c.search)
		if k < 0 {
			break
		}
		c.search = end
		t := &c.tokens.tokens[k]
		if t.singleWord && (c.wordEnds(start) || c.wordStarts(end)) {
			continue
		}
		if t.lstrip {
			// Only white space that no token took yet counts.
			if c.taken < start {
				start -= c.tokens.unicode.TrailingSpace(c.text[c.taken:start])
			} else {
				start = c.taken
			}
		}
		if t.rstrip {
			end = c.spacesEnd(end)
		}
		from := c.taken
		if from < start {
			c.found, c.id, c.end = true, t.id, end
			return c.text[from:start], -1, true
		}
		c.taken = end
		return nil, t.id, true
	}
	c.search = len(c.text)
	if from := c.taken; from < len(c.text) {
		c.taken = len(c.text)
		return c.text[from:], -1, true
	}
	return nil, -1, false
}

// wordEnds reports whether a \w character stands before at.
func (c *addedScan) wordEnds(at int) bool {
	r, size := utf8.DecodeLastRune(c.text[:at])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// wordStarts reports whether a \w character stands at at.
func (c *addedScan) wordStarts(at int) bool {
	r, size := utf8.DecodeRune(c.text[at:])
	return size > 0 && c.tokens.unicode.Properties(r)&codepoint.Word != 0
}

// spacesEnd returns where the white space that starts at at ends.
func (c *addedScan) spacesEnd(at int) int {
	if c.spaces.from <= at && at < c.spaces.to {
		return c.spaces.to
	}
	c.spaces.from, c.spaces.to = at, at+c.tokens.unicode.LeadingSpace(c.text[at:])
	return c.spaces.to
}
