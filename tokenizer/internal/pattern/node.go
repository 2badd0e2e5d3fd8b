package pattern

import (
	"fmt"
)

// A node is a part of a regular expression.
type node struct {
	kind     nodeKind
	set      *set    // of a character
	children []*node // of a sequence or alternatives; one child of a repetition or a look-around
	min, max int     // of a repetition; max is negative for no limit
	mode     repetitionMode
	negated  bool // of a look-around or a word boundary
}

type nodeKind uint8

const (
	sequence nodeKind = iota
	alternatives
	character
	repetition
	lookAhead
	lookBehind
	textStart    // \A
	textEnd      // \z
	lineStart    // ^
	lineEnd      // $
	wordBoundary // \b, and \B if negated
)

type repetitionMode uint8

const (
	greedy repetitionMode = iota
	lazy
	possessive
)

// checkFolds returns an error for a sequence of letters that may match one character.
func (n *node) checkFolds() error {
	for i := 1; i < len(n.children); i++ {
		for _, pair := range multiFolds {
			first, second := n.children[i-1], n.children[i]
			if first.mayEnd(rune(pair[0])) && second.mayStart(rune(pair[1])) {
				return fmt.Errorf("(?i) with %q is not supported, because one character can be both letters", pair)
			}
		}
	}
	return nil
}

// mayEnd tells whether a match of n may end with r, mayStart whether it may start with it. Both may be
// true too often.
func (n *node) mayEnd(r rune) bool { return n.may(r, len(n.children)-1) }

func (n *node) mayStart(r rune) bool { return n.may(r, 0) }

func (n *node) may(r rune, at int) bool {
	switch n.kind {
	case character:
		return n.set.seal().has(r)
	case sequence:
		return len(n.children) > 0 && n.children[max(at, 0)].may(r, at)
	case alternatives, repetition:
		for _, c := range n.children {
			if at > 0 {
				at = len(c.children) - 1
			}
			if c.may(r, at) {
				return true
			}
		}
	}
	return false
}

// paths returns how many ways n has to match, at most a little more than maxPaths.
func (n *node) paths() int {
	if n.kind == alternatives {
		sum := 0
		for _, c := range n.children {
			sum += c.paths()
		}
		return min(sum, maxPaths+1)
	}
	product := 1
	for _, c := range n.children {
		product = min(product*c.paths(), maxPaths+1)
	}
	return product
}

// repeats tells whether a repetition is in n.
func (n *node) repeats() bool {
	if n.kind == repetition {
		return true
	}
	for _, c := range n.children {
		if c.repeats() {
			return true
		}
	}
	return false
}

// oneCharacter returns the set of a node that matches exactly one character of a set.
func (n *node) oneCharacter() (*set, bool) {
	switch n.kind {
	case character:
		return n.set, true
	case sequence:
		if len(n.children) == 1 {
			return n.children[0].oneCharacter()
		}
	case alternatives:
		union := &set{}
		for _, c := range n.children {
			s, ok := c.oneCharacter()
			if !ok {
				return nil, false
			}
			union.nested = append(union.nested, s)
		}
		if len(union.nested) == 1 {
			return union.nested[0], true
		}
		return union, true
	}
	return nil, false
}

// nullable tells whether n can match the empty string.
func (n *node) nullable() bool {
	switch n.kind {
	case character:
		return false
	case repetition:
		return n.min == 0 || n.children[0].nullable()
	case sequence:
		for _, c := range n.children {
			if !c.nullable() {
				return false
			}
		}
		return true
	case alternatives:
		for _, c := range n.children {
			if c.nullable() {
				return true
			}
		}
		return false
	}
	return true
}
