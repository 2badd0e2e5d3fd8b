package addedtoken

import (
	"maps"
	"slices"

	"kenserve/tokenizer/internal/model"
)

// A Vocabulary holds added tokens as the reference does when some are added again with other flags: where
// the token is searched (original or normalized text) stays as it was first, and the other flags are the
// last ones.
type Vocabulary struct {
	model     model.Model
	special   []Token // in the order in which they are searched: special tokens first
	others    []Token
	isSpecial map[string]bool
	byID      map[int32]Token // with the last flags
	ids       map[string]int32
}

// NewVocabulary returns the vocabulary of the tokens of a tokenizer.json, which have their ids.
func NewVocabulary(tokens []Token, m model.Model) *Vocabulary {
	v := &Vocabulary{model: m, isSpecial: make(map[string]bool), byID: make(map[int32]Token), ids: make(map[string]int32)}
	v.Add(tokens)
	return v
}

// ID returns the id of an added token or a token of the model, -1 for any other string.
func (v *Vocabulary) ID(content string) int32 {
	if id, ok := v.ids[content]; ok {
		return id
	}
	return v.model.ID(content)
}

// Add adds tokens. It sets their ids, as AddedVocabulary.add_tokens of the reference.
func (v *Vocabulary) Add(tokens []Token) {
	for _, t := range tokens {
		if t.Special && t.Content != "" && !v.isSpecial[t.Content] {
			v.special = append(v.special, t)
			v.isSpecial[t.Content] = true
		}
	}
	next := int32(v.model.Size())
	for id := range maps.Keys(v.byID) {
		next = max(next, id+1)
	}
	for _, t := range tokens {
		if t.Content == "" {
			continue
		}
		old, known := v.ids[t.Content]
		t.ID = old
		if known && v.byID[old] == t {
			continue
		}
		if !known {
			if t.ID = v.model.ID(t.Content); t.ID < 0 {
				t.ID = next
				next++
			}
		}
		v.ids[t.Content] = t.ID
		v.byID[t.ID] = t
		if !v.isSpecial[t.Content] {
			v.others = append(v.others, t)
		}
	}
}

// Tokens returns the tokens in the order in which they are searched.
func (v *Vocabulary) Tokens() []Token {
	var tokens []Token
	for _, t := range slices.Concat(v.special, v.others) {
		last := v.byID[v.ids[t.Content]]
		last.Normalized = t.Normalized
		last.Special = v.isSpecial[t.Content]
		tokens = append(tokens, last)
	}
	return tokens
}
