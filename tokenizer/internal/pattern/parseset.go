package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
