package pattern

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// A program matches a regular expression. It is a list of instructions.
type program struct {
	code   []instruction
	start  int       // the first instruction
	splits int       // number of split instructions
	spans  int       // number of span instructions
	starts [256]bool // the bytes that a match can start with
}

type instruction struct {
	op     operation
	set    *set
	next   int // the instruction that follows
	other  int // of a split: the second choice; of a look-around: the first instruction of its body
	number int // of a split: its number among the splits; of a span: among the spans
	not    bool
}

type operation uint8

const (
	opMatch     operation = iota // the end of the expression, or of the body of a look-around
	opCharacter                  // consume a character of the set
	opSplit                      // go to next, and if that fails to other
	opSpan                       // consume as many characters of the set as there are, never fewer
	opAhead                      // the body matches here, or if not, does not
	opBehind                     // the character before is in the set, or if not, is not
	opTextStart
	opTextEnd
	opLineStart
	opLineEnd
	opWordBoundary
)

// Limits of a program. A match needs up to one bit of memory for each split and byte of the text.
const (
	maxInstructions = 20000
	maxSplits       = 128
)

// compile makes the program of an expression. An expression that can match the empty string is an error.
func compile(tree *node) (*program, error) {
	if tree.nullable() {
		return nil, errors.New("it matches the empty string")
	}
	p := &program{}
	var err error
	// Instructions are made from the end to the start, so that next is known.
	if p.start, err = p.add(tree, p.put(instruction{op: opMatch})); err != nil {
		return nil, err
	}
	if p.splits > maxSplits {
		return nil, fmt.Errorf("it has %d choices; at most %d are supported", p.splits, maxSplits)
	}
	p.findStarts(p.start, make([]bool, len(p.code)))
	return p, nil
}

func (p *program) put(i instruction) int {
	switch i.op {
	case opSplit:
		i.number = p.splits
		p.splits++
	case opSpan:
		i.number = p.spans
		p.spans++
	}
	if i.set != nil {
		i.set.seal()
	}
	p.code = append(p.code, i)
	return len(p.code) - 1
}

// add adds the instructions of n, after which the program goes on at next. It returns the first one.
func (p *program) add(n *node, next int) (int, error) {
	if len(p.code) > maxInstructions {
		return 0, fmt.Errorf("its program has more than %d instructions", maxInstructions)
	}
	var err error
	switch n.kind {
	case sequence:
		for i := len(n.children) - 1; i >= 0; i-- {
			if next, err = p.add(n.children[i], next); err != nil {
				return 0, err
			}
		}
		return next, nil
	case alternatives:
		last := len(n.children) - 1
		first, err := p.add(n.children[last], next)
		for i := last - 1; i >= 0 && err == nil; i-- {
			var choice int
			if choice, err = p.add(n.children[i], next); err == nil {
				first = p.put(instruction{op: opSplit, next: choice, other: first})
			}
		}
		return first, err
	case character:
		return p.put(instruction{op: opCharacter, set: n.set, next: next}), nil
	case repetition:
		return p.addRepetition(n, next)
	case lookAhead:
		body, err := p.add(n.children[0], p.put(instruction{op: opMatch}))
		return p.put(instruction{op: opAhead, next: next, other: body, not: n.negated}), err
	case lookBehind:
		set, _ := n.children[0].oneCharacter()
		return p.put(instruction{op: opBehind, set: set, next: next, not: n.negated}), nil
	}
	op := map[nodeKind]operation{textStart: opTextStart, textEnd: opTextEnd, lineStart: opLineStart, lineEnd: opLineEnd, wordBoundary: opWordBoundary}[n.kind]
	i := instruction{op: op, next: next, not: n.negated}
	if op == opWordBoundary {
		i.set = classEscape('w')
	}
	return p.put(i), nil
}

func (p *program) addRepetition(n *node, next int) (int, error) {
	of := n.children[0]
	if n.mode == possessive {
		set, _ := of.oneCharacter()
		if n.max == 1 { // X?+
			taken := p.put(instruction{op: opCharacter, set: set, next: next})
			// Where X can be taken, the other choice must not be tried.
			not := p.put(instruction{op: opAhead, next: next, not: true, other: p.put(instruction{op: opCharacter, set: set, next: p.put(instruction{op: opMatch})})})
			return p.put(instruction{op: opSplit, next: taken, other: not}), nil
		}
		span := p.put(instruction{op: opSpan, set: set, next: next})
		if n.min == 1 {
			return p.put(instruction{op: opCharacter, set: set, next: span}), nil
		}
		return span, nil
	}
	choice := func(body int) int {
		if n.mode == lazy {
			return p.put(instruction{op: opSplit, next: next, other: body})
		}
		return p.put(instruction{op: opSplit, next: body, other: next})
	}
	first := next
	var err error
	if n.max < 0 {
		loop := choice(0) // its body is set below
		body, err := p.add(of, loop)
		if err != nil {
			return 0, err
		}
		if n.mode == lazy {
			p.code[loop].other = body
		} else {
			p.code[loop].next = body
		}
		first = loop
	}
	for range n.max - n.min {
		if first, err = p.add(of, first); err != nil {
			return 0, err
		}
		first = choice(first)
	}
	for range n.min {
		if first, err = p.add(of, first); err != nil {
			return 0, err
		}
	}
	return first, nil
}

// findStarts sets starts for the characters that can follow instruction at.
func (p *program) findStarts(at int, seen []bool) {
	if seen[at] {
		return
	}
	seen[at] = true
	switch i := p.code[at]; i.op {
	case opMatch:
	case opCharacter, opSpan:
		for r := range rune(256) {
			if r >= utf8.RuneSelf || i.set.has(r) {
				p.starts[r] = true
			}
		}
		if i.op == opSpan {
			p.findStarts(i.next, seen)
		}
	case opSplit:
		p.findStarts(i.next, seen)
		p.findStarts(i.other, seen)
	default:
		p.findStarts(i.next, seen)
	}
}
