package postprocessor

import "fmt"

// A part is one stretch of a finished encoding: a special token, or all tokens of one of the texts.
type part struct {
	Text    int   // 0: the first text, 1: the second, -1: a special token
	ID      int32 // the special token's id
	TypeID  int32
	Special bool // whether the special-token mask is set
}

// An assembly is the order in which the tokens of a text, or of a pair of texts, and special tokens
// make up an encoding.
type Assembly struct {
	Parts []part
	Added int // how many special tokens there are
}

// newAssembly returns how p, nil for none, assembles one text or a pair, with special tokens or
// without.
func NewAssembly(p PostProcessor, pair, special bool) (Assembly, error) {
	texts := []Assembly{{Parts: []part{{Text: 0}}}}
	if pair {
		texts = append(texts, Assembly{Parts: []part{{Text: 1, TypeID: 1}}})
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
	// The reference would go on and exceed the length it truncates to.
	if uses[0] > 1 || uses[1] > 1 {
		return Assembly{}, fmt.Errorf("a text is used twice")
	}
	if p != nil && special && whole.Added != p.added(pair) {
		return Assembly{}, fmt.Errorf("%d special tokens are added, %d reserved", whole.Added, p.added(pair))
	}
	return whole, nil
}
