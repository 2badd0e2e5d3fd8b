// Package postprocessor holds the stage of a tokenizer that adds special tokens and sets type ids.
package postprocessor

import (
	"errors"
	"fmt"
)

// A Part of an encoding is a special token, or all tokens of one of the texts.
type Part struct {
	Text    int   // 0: the first text; 1: the second text; -1: a special token
	ID      int32 // id of the special token
	TypeID  int32
	Special bool // value of the special-token mask
}

// An Assembly is the order of special tokens and texts in an encoding.
type Assembly struct {
	Parts []Part
	Added int // number of special tokens
}

// NewAssembly returns the assembly of one text or a pair by p, with or without special tokens. p is nil
// if there is no post-processor.
func NewAssembly(p PostProcessor, pair, special bool) (Assembly, error) {
	texts := []Assembly{{Parts: []Part{{Text: 0}}}}
	if pair {
		texts = append(texts, Assembly{Parts: []Part{{Text: 1, TypeID: 1}}})
	}
	var err error
	if p != nil {
		if texts, err = p.process(texts, special); err != nil {
			return Assembly{}, err
		}
	}
	var whole Assembly
	var uses [2]int
	for _, t := range texts {
		whole.Parts = append(whole.Parts, t.Parts...)
	}
	for _, q := range whole.Parts {
		if q.Text < 0 {
			whole.Added++
		} else {
			uses[q.Text]++
		}
	}
	// The reference accepts such templates, and its encodings then exceed the length to truncate to.
	if uses[0] > 1 || uses[1] > 1 {
		return Assembly{}, errors.New("it uses a text twice, so truncation cannot limit the number of tokens")
	}
	if p != nil && special && whole.Added != p.added(pair) {
		return Assembly{}, fmt.Errorf("it adds %d special tokens, but the reference reserves room for %d, so truncation cannot limit the number of tokens", whole.Added, p.added(pair))
	}
	return whole, nil
}
