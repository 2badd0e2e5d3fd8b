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

// A finder returns where the first match of a pattern in text lies: text[from:to], which is never empty. It
// returns -1 as from if there is no match.
type Finder func(text []byte) (from, to int)

// compilePattern compiles a regular expression of the reference, whose engine is Oniguruma with
// Ruby's syntax, to a function that finds the first match.
//
// It accepts the part of the syntax on which Oniguruma and Go agree: literals, escapes of white
// space and of punctuation, sets of characters and ranges, with sets inside that add to them, \s, \S,
// the dot, groups, alternatives, and greedy or lazy repetition. Both take the leftmost match and, among those, the first by order
// of alternatives. Everything else is an error, as is an expression that can match nothing at all:
// such a match puts content between characters.
func compile(pattern string) (Finder, error) {
	if pattern == " {2,}" { // SentencePiece's; package regexp would allocate for each text
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

// findRun returns a function that finds the first run of at least n bytes b, of ASCII.
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

// spaceRanges are the code points of \s, for use inside brackets.
const spaceRanges = `\x09-\x0D\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`

// A patternTranslator rewrites an expression in Go's syntax.
type translator struct {
	rest string
	out  strings.Builder
}

// next takes the next character; it is 0 at the end.
func (t *translator) next() rune {
	r, size := utf8.DecodeRuneInString(t.rest)
	if size == 0 {
		return 0
	}
	t.rest = t.rest[size:]
	return r
}

func (t *translator) accept(prefix string) bool {
	rest, ok := strings.CutPrefix(t.rest, prefix)
	t.rest = rest
	return ok
}

func (t *translator) translate() error {
	for t.rest != "" {
		switch r := t.next(); r {
		case '(':
			if strings.HasPrefix(t.rest, "?") && !t.accept("?:") {
				return errors.New("only plain groups are supported")
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

// repetition takes what may follow a character, a set or a group: *, +, ?, {n}, {n,}, {n,m}, and a
// question mark that makes it lazy.
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
			return errors.New("a brace does not start {n}, {n,} or {n,m}")
		}
		t.out.WriteString("{" + counts + "}")
		t.rest = t.rest[len(counts)+2:]
		lazy = isRange // in Ruby {n}? is an optional {n}
	default:
		return nil
	}
	if lazy && t.accept("?") {
		t.out.WriteByte('?')
	}
	if t.rest != "" && strings.IndexByte("*+?{", t.rest[0]) >= 0 {
		return errors.New("repetition of a repetition is not supported")
	}
	return nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// escape takes what follows a backslash outside brackets.
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

// escaped takes the rest of an escape that stands for one character.
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

// set takes a set of characters after its opening bracket.
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

// maxNestedSets bounds how deep sets may lie in each other.
const maxNestedSets = 8

// members takes what is inside brackets, and the closing one. A set inside is its members.
func (t *translator) members(depth int) error {
	if depth > maxNestedSets {
		return errors.New("too many sets of characters lie in each other")
	}
	for empty := true; ; empty = false {
		switch {
		case t.accept("]"):
			if empty {
				return errors.New("a set of characters is empty")
			}
			return nil
		case t.accept(`\s`):
			t.out.WriteString(spaceRanges)
			continue
		case t.accept("["):
			// A complement inside a set, and [:names:], are something else.
			if strings.HasPrefix(t.rest, "^") || strings.HasPrefix(t.rest, ":") {
				return errors.New("only plain sets are supported inside brackets")
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

// setMember takes one character inside brackets. An ampersand could be the start of an intersection,
// a hyphen is clear only in a range or escaped.
func (t *translator) setMember() (rune, error) {
	if t.rest == "" {
		return 0, errors.New("a set of characters does not end")
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

// parsePattern reads the field "pattern", a string or a regular expression, as a function that finds
// its first match, which is never empty.
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
		return nil, fmt.Errorf("%s.pattern: the empty string matches everywhere", o.Path())
	}
	sought := []byte(pattern)
	return func(text []byte) (from, to int) {
		from = bytes.Index(text, sought)
		return from, from + len(sought)
	}, nil
}
