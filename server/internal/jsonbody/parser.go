package jsonbody

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"kenserve/server/internal/problem"
)

// Parser reads the values of a body and keeps the first one that is not allowed.
// It continues after such a value, because only the end of the body shows whether
// the body is JSON.
type Parser struct {
	reader
	invalid *problem.Problem // of the first value that is not allowed
}

// NewParser returns a parser of body. A body that is not valid UTF-8, or begins with a
// byte order mark, is a syntax error.
func NewParser(body string) Parser {
	p := Parser{reader: reader{text: body}}
	switch {
	case !utf8.ValidString(body):
		p.syntax = problem.Malformed("the body is not valid UTF-8")
	case strings.HasPrefix(body, "\ufeff"):
		p.syntax = problem.Malformed("the body begins with a byte order mark; send it without one")
	}
	return p
}

// base lets [Object] accept types that embed a Parser.
func (p *Parser) base() *Parser { return p }

// Finish checks that the body ends here. It returns a *[problem.Problem]: the
// syntax error if there is one, otherwise the first value that is not allowed.
func (p *Parser) Finish() error {
	p.end()
	switch {
	case p.syntax != nil:
		return p.syntax
	case p.invalid != nil:
		return p.invalid
	}
	return nil
}

// Reject reports the value at a path as not allowed. The format is a predicate of
// the value; see [problem.Invalid].
func (p *Parser) Reject(at problem.Path, format string, args ...any) {
	if p.invalid == nil {
		p.invalid = problem.Invalid(at, format, args...)
	}
}

// RejectAs is Reject with a problem of another kind.
func (p *Parser) RejectAs(invalid *problem.Problem) {
	if p.invalid == nil {
		p.invalid = invalid
	}
}

// Unexpected consumes a value of a type that is not allowed, and rejects it: want
// says which values are, as in "a string".
func (p *Parser) Unexpected(at problem.Path, want string) {
	found := p.describe()
	p.Skip()
	p.Reject(at, "is %s, must be %s", found, want)
}

// describe describes the next value for an error. It does not quote strings, which
// may be texts to classify.
func (p *Parser) describe() string {
	switch c := p.Peek(); c {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't':
		return "true"
	case 'f':
		return "false"
	case 'n':
		return "null"
	}
	ahead := p.reader
	return describeNumber(ahead.number())
}

// describeNumber is the text of a number, if it is short.
func describeNumber(text string) string {
	if text == "" || len(text) > 32 {
		return "a number"
	}
	return text
}

// Null consumes a null, if one is next.
func (p *Parser) Null() bool {
	if p.Peek() != 'n' {
		return false
	}
	p.literal("null")
	return true
}

// String reads a string.
func (p *Parser) String(at problem.Path) string {
	if p.Peek() != '"' {
		p.Unexpected(at, "a string")
		return ""
	}
	return p.ReadString()
}

// Bool reads true, false, or null, for which it returns byDefault.
func (p *Parser) Bool(at problem.Path, byDefault bool) bool {
	switch p.Peek() {
	case 't':
		p.literal("true")
		return true
	case 'f':
		p.literal("false")
		return false
	case 'n':
		p.literal("null")
		return byDefault
	}
	p.Unexpected(at, "true, false or null")
	return byDefault
}

// Int reads a whole number of 32 bits for which valid returns true. It rejects other
// values, and returns 0 then; want says which values are allowed, as in "a whole
// number from 1 to 8".
func (p *Parser) Int(at problem.Path, want string, valid func(n int32) bool) int32 {
	if c := p.Peek(); c != '-' && (c < '0' || c > '9') {
		p.Unexpected(at, want)
		return 0
	}
	text := p.number()
	n, ok := wholeNumber(text)
	if !ok || !valid(n) {
		p.Reject(at, "is %s, must be %s", describeNumber(text), want)
		return 0
	}
	return n
}

// PositiveInt reads a whole number of at least 1, or null, for which it returns 0.
func (p *Parser) PositiveInt(at problem.Path) int {
	if p.Null() {
		return 0
	}
	return int(p.Int(at, "a whole number from 1 to 2147483647, or null", func(n int32) bool { return n >= 1 }))
}

// OneOf reads one of the words, or null, for which it returns "".
func (p *Parser) OneOf(at problem.Path, words []string) string {
	if p.Null() {
		return ""
	}
	if p.Peek() != '"' {
		p.Unexpected(at, fmt.Sprintf("one of %q, or null", words))
		return ""
	}
	word := p.ReadString()
	if !slices.Contains(words, word) {
		p.Reject(at, "is %s, must be one of %q, or null", problem.Quote(word), words)
		return ""
	}
	return word
}
