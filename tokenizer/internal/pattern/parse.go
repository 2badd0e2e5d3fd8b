package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
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
func (n *node) mayEnd(r rune) bool   { return n.may(r, len(n.children)-1) }
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

// escape reads the rest of an escape outside brackets, after its backslash.
func (p *parser) escape() (*node, error) {
	switch {
	case p.accept("A"):
		return &node{kind: textStart}, nil
	case p.accept("z"):
		return &node{kind: textEnd}, nil
	case p.accept("b"):
		return &node{kind: wordBoundary}, nil
	case p.accept("B"):
		return &node{kind: wordBoundary, negated: true}, nil
	}
	s, err := p.setEscape(classEscape)
	if err != nil {
		return nil, err
	}
	return p.character(s)
}

// setEscape reads the rest of an escape for a set or one character. classes returns the set of a letter.
func (p *parser) setEscape(classes func(letter rune) *set) (*set, error) {
	r := p.next()
	if s := classes(r); s != nil {
		return s, nil
	}
	if (r == 'p' || r == 'P') && p.accept("{") {
		name, rest, closed := strings.Cut(p.rest, "}")
		if !closed {
			return nil, fmt.Errorf(`\%c{ has no closing brace`, r)
		}
		p.rest = rest
		return categorySet(name, r == 'P')
	}
	c, err := p.escaped(r)
	if err != nil {
		return nil, err
	}
	return single(c), nil
}

// escaped returns the character of an escape that starts with r. It reads the digits of \x and \u.
func (p *parser) escaped(r rune) (rune, error) {
	if i := strings.IndexRune("nrtfvae", r); i >= 0 {
		return rune("\n\r\t\f\v\a\x1b"[i]), nil
	}
	switch {
	case r == 'x' && p.accept("{"):
		digits, rest, _ := strings.Cut(p.rest, "}")
		p.rest = rest
		return hexadecimal(digits)
	case r == 'x' && len(p.rest) >= 2:
		digits := p.rest[:2]
		p.rest = p.rest[2:]
		c, err := hexadecimal(digits)
		if err == nil && c >= utf8.RuneSelf { // it is a byte, not a code point
			err = fmt.Errorf(`the escape \x%s is not supported: write \x{%s}`, digits, digits)
		}
		return c, err
	case r == 'u' && len(p.rest) >= 4:
		digits := p.rest[:4]
		p.rest = p.rest[4:]
		return hexadecimal(digits)
	case r >= '!' && r <= '~' && !isAlphanumeric(r), r == ' ':
		return r, nil
	}
	return 0, fmt.Errorf(`the escape \%c is not supported`, r)
}

func hexadecimal(digits string) (rune, error) {
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) || n > utf8.MaxRune {
		return 0, fmt.Errorf("%q is not the number of a character", digits)
	}
	return rune(n), nil
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// characterSet reads a character set after its opening bracket.
func (p *parser) characterSet(depth int) (*set, error) {
	if depth > maxNestedSets {
		return nil, errors.New("too many nested character sets")
	}
	s := &set{negated: p.accept("^")}
	if strings.HasPrefix(p.rest, "]") {
		return nil, errors.New("a character set is empty or starts with a bracket")
	}
	for first := true; ; first = false {
		switch {
		case p.rest == "":
			return nil, errors.New("a character set has no closing bracket")
		case p.accept("]"):
			return s, nil
		case strings.HasPrefix(p.rest, "[:"):
			return nil, errors.New("[: inside brackets is not supported")
		case strings.HasPrefix(p.rest, "&&"):
			return nil, errors.New("&& inside brackets is not supported")
		case p.accept("["):
			nested, err := p.characterSet(depth + 1)
			if err != nil {
				return nil, err
			}
			s.nested = append(s.nested, nested)
			continue
		}
		low, class, err := p.setMember(first)
		if err != nil {
			return nil, err
		}
		if class != nil {
			s.add(class)
			if strings.HasPrefix(p.rest, "-") && !strings.HasPrefix(p.rest, "-]") {
				return nil, errors.New("a hyphen after a class is not supported: escape it")
			}
			continue
		}
		high := low
		if strings.HasPrefix(p.rest, "-") && !strings.HasPrefix(p.rest, "-]") {
			p.next()
			if high, class, err = p.setMember(false); err != nil || class != nil || high < low {
				return nil, errors.Join(err, errors.New("a range in a character set must go from one character to a later one"))
			}
		}
		s.ranges = append(s.ranges, [2]rune{low, high})
	}
}

// setMember reads one character inside brackets, or an escape for a class. A hyphen is a character at the
// start or end of the set.
func (p *parser) setMember(first bool) (rune, *set, error) {
	switch r := p.next(); r {
	case '\\':
		s, err := p.setEscape(inBrackets)
		if err != nil {
			return 0, nil, err
		}
		if len(s.ranges) == 1 && !s.negated && s.ranges[0][0] == s.ranges[0][1] {
			return s.ranges[0][0], nil, nil
		}
		return 0, s, nil
	case '-':
		if !first && !strings.HasPrefix(p.rest, "]") {
			return 0, nil, errors.New("a hyphen inside brackets is not supported here: escape it")
		}
		return r, nil, nil
	case '[', ']', 0:
		return 0, nil, fmt.Errorf("%q is not supported here inside brackets", r)
	default:
		return r, nil, nil
	}
}

// add adds a class to a set.
func (s *set) add(class *set) {
	if class.negated || len(class.nested) > 0 {
		s.nested = append(s.nested, class)
		return
	}
	s.ranges = append(s.ranges, class.ranges...)
	s.categories |= class.categories
	s.properties |= class.properties
}
