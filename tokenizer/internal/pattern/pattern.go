// Package pattern finds the matches of strings and of regular expressions in text, for Replace and Split.
package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
)

// A Finder returns the first match of a pattern in text: text[from:to], which is never empty. If there is
// no match, from is -1.
type Finder func(text []byte) (from, to int)

// compile compiles a regular expression of the reference. Its engine is Oniguruma with Ruby's syntax.
//
// The accepted syntax is the part that has the same meaning in Oniguruma and Go: literals, escapes of
// white space and of punctuation, character sets with ranges and nested sets, \s, \S, the dot, groups,
// alternatives, and greedy or lazy repetition. Both engines take the leftmost match and, among those, the
// first in the order of alternatives. All other syntax is an error. An expression that can match the
// empty string is an error, too: Replace would insert its content between characters.
func compile(pattern string) (Finder, error) {
	if pattern == " {2,}" { // used by SentencePiece models; package regexp would allocate for each text
		return FindRun(' ', 2), nil
	}
	t := translator{rest: pattern}
	if err := t.translate(); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(t.out.String())
	if err != nil {
		return nil, err
	}
	if re.MatchString("") {
		return nil, errors.New("it matches the empty string")
	}
	return func(text []byte) (from, to int) {
		at := re.FindIndex(text)
		if at == nil {
			return -1, -1
		}
		return at[0], at[1]
	}, nil
}

// FindRun returns a Finder of runs of at least n bytes b, which must be ASCII.
func FindRun(b byte, n int) Finder {
	return func(text []byte) (from, to int) {
		for to < len(text) {
			skip := bytes.IndexByte(text[to:], b)
			if skip < 0 {
				break
			}
			from = to + skip
			for to = from; to < len(text) && text[to] == b; to++ {
			}
			if to-from >= n {
				return from, to
			}
		}
		return -1, -1
	}
}

// spaceRanges are the code points of \s, written for use inside brackets.
const spaceRanges = `\x09-\x0D\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`

// A translator rewrites an expression from Ruby's syntax to Go's.
type translator struct {
	rest string
	out  strings.Builder
}

// next consumes and returns the next character, 0 at the end.
func (t *translator) next() rune {
	r, size := utf8.DecodeRuneInString(t.rest)
	if size == 0 {
		return 0
	}
	t.rest = t.rest[size:]
	return r
}

// accept consumes prefix if the rest starts with it.
func (t *translator) accept(prefix string) bool {
	rest, ok := strings.CutPrefix(t.rest, prefix)
	t.rest = rest
	return ok
}

// translate rewrites the whole expression.
func (t *translator) translate() error {
	for t.rest != "" {
		switch r := t.next(); r {
		case '(':
			if strings.HasPrefix(t.rest, "?") && !t.accept("?:") {
				return errors.New("of the groups that start with (? only (?: is supported")
			}
			t.out.WriteString("(?:")
			continue
		case '|', ')':
			t.out.WriteRune(r)
			if r == '|' {
				continue
			}
		case '[':
			if err := t.characterSet(); err != nil {
				return err
			}
		case '.':
			t.out.WriteString(`[^\n]`)
		case '\\':
			if err := t.escape(); err != nil {
				return err
			}
		case '^', '$', '*', '+', '?', '{', '}', ']':
			return fmt.Errorf("%q is not supported here", r)
		default:
			t.out.WriteString(regexp.QuoteMeta(string(r)))
		}
		if err := t.repetition(); err != nil {
			return err
		}
	}
	return nil
}

// repetition consumes the repetition that may follow a character, a set or a group: *, +, ?, {n}, {n,} or
// {n,m}, and a question mark that makes it lazy.
func (t *translator) repetition() error {
	if t.rest == "" {
		return nil
	}
	lazy := true
	switch t.rest[0] {
	case '*', '+', '?':
		t.out.WriteRune(t.next())
	case '{':
		counts, _, closed := strings.Cut(t.rest[1:], "}")
		low, high, isRange := strings.Cut(counts, ",")
		if !closed || !isDigits(low) || isRange && high != "" && !isDigits(high) {
			return errors.New("a brace must start {n}, {n,} or {n,m}")
		}
		t.out.WriteString("{" + counts + "}")
		t.rest = t.rest[len(counts)+2:]
		lazy = isRange // in Ruby, {n}? means an optional {n}
	default:
		return nil
	}
	if lazy && t.accept("?") {
		t.out.WriteByte('?')
	}
	if t.rest != "" && strings.IndexByte("*+?{", t.rest[0]) >= 0 {
		return errors.New("a repetition of a repetition is not supported")
	}
	return nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// escape consumes the rest of an escape outside brackets, after its backslash.
func (t *translator) escape() error {
	switch {
	case t.accept("s"):
		t.out.WriteString("[" + spaceRanges + "]")
	case t.accept("S"):
		t.out.WriteString("[^" + spaceRanges + "]")
	default:
		r, err := t.escaped()
		if err != nil {
			return err
		}
		t.out.WriteString(regexp.QuoteMeta(string(r)))
	}
	return nil
}

// escaped consumes the rest of an escape for one character.
func (t *translator) escaped() (rune, error) {
	r := t.next()
	switch {
	case r == 'n':
		return '\n', nil
	case r == 'r':
		return '\r', nil
	case r == 't':
		return '\t', nil
	case r == 'f':
		return '\f', nil
	case r >= '!' && r <= '~' && !isAlphanumeric(r):
		return r, nil
	}
	return 0, fmt.Errorf("the escape \\%c is not supported", r)
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// characterSet consumes a character set after its opening bracket.
func (t *translator) characterSet() error {
	t.out.WriteByte('[')
	if t.accept("^") {
		t.out.WriteByte('^')
	}
	if err := t.members(0); err != nil {
		return err
	}
	t.out.WriteByte(']')
	return nil
}

// maxNestedSets is how deeply character sets may be nested.
const maxNestedSets = 8

// members consumes the members of a character set and its closing bracket. The members of a nested set
// are members of the outer set.
func (t *translator) members(depth int) error {
	if depth > maxNestedSets {
		return errors.New("too many nested character sets")
	}
	for empty := true; ; empty = false {
		switch {
		case t.accept("]"):
			if empty {
				return errors.New("a character set is empty")
			}
			return nil
		case t.accept(`\s`):
			t.out.WriteString(spaceRanges)
			continue
		case t.accept("["):
			// [^...] inside a set and [:name:] have other meanings.
			if strings.HasPrefix(t.rest, "^") || strings.HasPrefix(t.rest, ":") {
				return errors.New("inside brackets only plain sets are supported")
			}
			if err := t.members(depth + 1); err != nil {
				return err
			}
			continue
		}
		low, err := t.setMember()
		if err != nil {
			return err
		}
		fmt.Fprintf(&t.out, `\x{%X}`, low)
		if t.accept("-") {
			high, err := t.setMember()
			if err != nil {
				return err
			}
			fmt.Fprintf(&t.out, `-\x{%X}`, high)
		}
	}
}

// setMember consumes one character inside brackets. It refuses an ampersand, which may start an
// intersection, and a hyphen, whose meaning is clear only in a range or escaped.
func (t *translator) setMember() (rune, error) {
	if t.rest == "" {
		return 0, errors.New("a character set has no closing bracket")
	}
	switch r := t.next(); r {
	case '\\':
		return t.escaped()
	case '[', ']', '&', '-', '^':
		return 0, fmt.Errorf("%q is not supported inside brackets", r)
	default:
		return r, nil
	}
}

// Parse reads the member "pattern" of o: {"String": ...} or {"Regex": ...}. It is an error if the pattern
// matches the empty string.
func Parse(o *jsonobject.Object) (Finder, error) {
	p := o.Object("pattern")
	pattern, isRegex := p.Choice("String", "Regex")
	o.Adopt(p)
	if err := o.Err(); err != nil {
		return nil, err
	}
	if isRegex {
		find, err := compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s.pattern: regular expression %q: %w", o.Path(), pattern, err)
		}
		return find, nil
	}
	if pattern == "" {
		return nil, fmt.Errorf("%s.pattern: must not be the empty string, which matches everywhere", o.Path())
	}
	sought := []byte(pattern)
	return func(text []byte) (from, to int) {
		from = bytes.Index(text, sought)
		return from, from + len(sought)
	}, nil
}
