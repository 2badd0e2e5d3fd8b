package jsonbody

import (
	"math"
	"slices"
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

// NewParser returns a parser of body. A body that is not valid UTF-8 is a syntax
// error.
func NewParser(body string) Parser {
	p := Parser{reader: reader{text: body}}
	if !utf8.ValidString(body) {
		p.syntax = problem.Malformed("the body is not valid UTF-8")
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
	p.Skip()
	p.Reject(at, "must be true, false or null")
	return byDefault
}

// Int32 consumes any value. ok tells whether it is a whole number of 32 bits.
func (p *Parser) Int32() (n int32, ok bool) {
	if c := p.Peek(); c != '-' && (c < '0' || c > '9') {
		p.Skip()
		return 0, false
	}
	return wholeNumber(p.number())
}

// PositiveInt reads a whole number of at least 1, or null, for which it returns 0.
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

// OneOf reads one of the words, or null, for which it returns "".
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
