package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A parser reads a regular expression in Ruby's syntax.
type parser struct {
	rest  string
	fold  bool // inside (?i)
	depth int  // of groups
}

// maxGroups is how deeply groups may be nested, and maxNestedSets how deeply character sets may.
const (
	maxGroups     = 64
	maxNestedSets = 8
)

// parse reads a whole expression.
func parse(expression string) (*node, error) {
	p := &parser{rest: expression}
	n, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.rest != "" {
		return nil, errors.New("a closing parenthesis has no opening one")
	}
	return n, nil
}

// next consumes and returns the next character, 0 at the end.
func (p *parser) next() rune {
	r, size := utf8.DecodeRuneInString(p.rest)
	if size == 0 {
		return 0
	}
	p.rest = p.rest[size:]
	return r
}

// accept consumes prefix if the rest starts with it.
func (p *parser) accept(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

// alternatives reads up to a closing parenthesis or the end.
func (p *parser) alternatives() (*node, error) {
	outer := p.fold
	defer func() { p.fold = outer }()
	if p.depth++; p.depth > maxGroups {
		return nil, fmt.Errorf("more than %d groups are nested", maxGroups)
	}
	defer func() { p.depth-- }()
	all := &node{kind: alternatives}
	for {
		s, err := p.sequence()
		if err != nil {
			return nil, err
		}
		all.children = append(all.children, s)
		if !p.accept("|") {
			return all, nil
		}
	}
}

// sequence reads up to a bar, a closing parenthesis or the end.
func (p *parser) sequence() (*node, error) {
	s := &node{kind: sequence}
	for p.rest != "" && p.rest[0] != '|' && p.rest[0] != ')' {
		if p.accept("(?i)") {
			// It holds to the end of the group, also behind the bars that follow.
			if len(s.children) > 0 || strings.ContainsRune(p.rest, '|') {
				return nil, errors.New("(?i) is supported at the beginning of a group without alternatives: write (?i:...)")
			}
			p.fold = true
			continue
		}
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n, err = p.repetition(n); err != nil {
			return nil, err
		}
		s.children = append(s.children, n)
	}
	if p.fold {
		return s, s.checkFolds()
	}
	return s, nil
}

// multiFolds are the sequences of ASCII letters that are the other case of one character, such as ß.
// Oniguruma matches that character, which this package does not.
var multiFolds = []string{"ss", "ff", "fi", "fl", "st"}

// atom reads a character, a set, a group or an assertion.
func (p *parser) atom() (*node, error) {
	switch r := p.next(); r {
	case '(':
		return p.group()
	case '[':
		s, err := p.characterSet(0)
		if err != nil {
			return nil, err
		}
		return p.character(s)
	case '.':
		return &node{kind: character, set: &set{ranges: [][2]rune{{'\n', '\n'}}, negated: true}}, nil
	case '\\':
		return p.escape()
	case '^':
		return &node{kind: lineStart}, nil
	case '$':
		return &node{kind: lineEnd}, nil
	case '*', '+', '?', '{', '}', ']':
		return nil, fmt.Errorf("%q is not supported here", r)
	default:
		return p.character(single(r))
	}
}

// character returns the node of a set, with the other case of its letters inside (?i).
func (p *parser) character(s *set) (*node, error) {
	if p.fold {
		var err error
		if s, err = s.fold(); err != nil {
			return nil, err
		}
	}
	return &node{kind: character, set: s}, nil
}

// group reads a group after its opening parenthesis.
func (p *parser) group() (*node, error) {
	outer := p.fold
	defer func() { p.fold = outer }()
	around := &node{}
	switch {
	case p.accept("?:"):
	case p.accept("?i:"):
		p.fold = true
	case p.accept("?-i:"):
		p.fold = false
	case p.accept("?="):
		around = &node{kind: lookAhead}
	case p.accept("?!"):
		around = &node{kind: lookAhead, negated: true}
	case p.accept("?<="):
		around = &node{kind: lookBehind}
	case p.accept("?<!"):
		around = &node{kind: lookBehind, negated: true}
	case strings.HasPrefix(p.rest, "?"):
		return nil, fmt.Errorf("the group (%.3s is not supported; (?: (?i: (?-i: (?= (?! (?<= and (?<! are", p.rest)
	}
	inner, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, errors.New("an opening parenthesis has no closing one")
	}
	if around.kind == sequence {
		return inner, nil
	}
	around.children = []*node{inner}
	if inner.repeats() {
		return nil, errors.New("a repetition in a look-ahead or look-behind is not supported")
	}
	if inner.paths() > maxPaths {
		return nil, fmt.Errorf("a look-ahead with more than %d ways to match is not supported", maxPaths)
	}
	if _, ok := inner.oneCharacter(); around.kind == lookBehind && !ok {
		return nil, errors.New("a look-behind is supported for one character only")
	}
	return around, nil
}

// maxPaths is how many ways a look-ahead may have to match: all of them may be tried at each place.
const maxPaths = 100

// maxRepetition is the largest number in braces.
const maxRepetition = 1000

// repetition reads the repetition that may follow an atom: *, +, ?, {n}, {n,}, {n,m} or {,m}, then a
// question mark that makes it lazy, or a plus that makes it possessive.
func (p *parser) repetition(of *node) (*node, error) {
	n := &node{kind: repetition, children: []*node{of}}
	braces := false
	switch {
	case p.accept("*"):
		n.max = -1
	case p.accept("+"):
		n.min, n.max = 1, -1
	case p.accept("?"):
		n.max = 1
	case strings.HasPrefix(p.rest, "{"):
		braces = true
		counts, _, closed := strings.Cut(p.rest[1:], "}")
		low, high, isRange := strings.Cut(counts, ",")
		var ok, ok2 bool
		n.min, ok = count(low, isRange && high != "", 0)
		n.max, ok2 = n.min, true
		if isRange {
			n.max, ok2 = count(high, low != "", -1)
		}
		if !closed || !ok || !ok2 || n.max >= 0 && n.min > n.max {
			return nil, fmt.Errorf("a brace must start {n}, {n,}, {n,m} or {,m}, with numbers up to %d", maxRepetition)
		}
		p.rest = p.rest[len(counts)+2:]
		if !isRange && strings.HasPrefix(p.rest, "?") {
			return nil, errors.New("{n}? is not supported")
		}
	default:
		return of, nil
	}
	switch {
	case p.accept("?"):
		n.mode = lazy
	case !braces && p.accept("+"):
		n.mode = possessive
		if _, ok := of.oneCharacter(); !ok {
			return nil, errors.New("a possessive repetition of more than one character is not supported")
		}
	}
	if braces && n.mode == greedy && p.accept("+") { // it is no possessive repetition, but a repetition of one
		n = &node{kind: repetition, children: []*node{n}, min: 1, max: -1}
		of = n.children[0]
	}
	if p.rest != "" && strings.IndexByte("*+?{", p.rest[0]) >= 0 {
		return nil, errors.New("a repetition of a repetition is not supported")
	}
	if of.nullable() {
		return nil, errors.New("a repetition of something that can be empty is not supported")
	}
	return n, nil
}

// count reads a number in braces; an empty one is otherwise, where it may be empty.
func count(digits string, mayBeEmpty bool, otherwise int) (int, bool) {
	if digits == "" {
		return otherwise, mayBeEmpty
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return int(n), err == nil && n <= maxRepetition
}
