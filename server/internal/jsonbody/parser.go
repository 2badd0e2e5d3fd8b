package jsonbody

import (
	"math"
	"slices"
	"unicode/utf8"

	"kenserve/server/internal/problem"
)

// Parser reads the values of a request's body and remembers the first one that
// is not allowed. After such a value it reads on: only the end of the body tells
// whether the body is JSON at all.
type Parser struct {
	reader
	invalid *problem.Problem // the first one
}

// NewParser returns a parser of a body, which must be valid UTF-8.
func NewParser(body string) Parser {
	p := Parser{reader: reader{text: body}}
	if !utf8.ValidString(body) {
		p.syntax = problem.Malformed("the body is not valid UTF-8")
	}
	return p
}

// base lets an [Object] work with types that embed a Parser.
func (p *Parser) base() *Parser { return p }

// Finish checks that the body ends here and returns the *[problem.Problem] of
// the request, if there is one. A syntax error anywhere in the body comes before
// an invalid value.
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

// Reject reports that the value at a path is invalid. The format is a predicate
// of the value, as in [problem.Invalid].
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
		p.Skip()
		p.Reject(at, "must be a string")
		return ""
	}
	return p.ReadString()
}

// Bool reads true or false, or null, which means byDefault.
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
	p.Skip()
	p.Reject(at, "must be true, false or null")
	return byDefault
}

// Int32 consumes any value; ok tells whether it is a whole number of 32 bits.
// 7, 7.0 and 70e-1 are the same number, for JSON as for JSON Schema.
func (p *Parser) Int32() (n int32, ok bool) {
	if c := p.Peek(); c != '-' && (c < '0' || c > '9') {
		p.Skip()
		return 0, false
	}
	return wholeNumber(p.number())
}

// PositiveInt reads a whole number of at least 1, or null, which is 0.
func (p *Parser) PositiveInt(at problem.Path) int {
	if p.Null() {
		return 0
	}
	if n, ok := p.Int32(); ok && n > 0 {
		return int(n)
	}
	p.Reject(at, "must be a whole number from 1 to %d, or null", math.MaxInt32)
	return 0
}

// OneOf reads one of the words, or null, which is "".
func (p *Parser) OneOf(at problem.Path, words []string) string {
	if p.Null() {
		return ""
	}
	if p.Peek() == '"' {
		if word := p.ReadString(); slices.Contains(words, word) {
			return word
		}
	} else {
		p.Skip()
	}
	p.Reject(at, "must be one of %q, or null", words)
	return ""
}
