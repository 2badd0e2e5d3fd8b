package jsonbody

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"kenserve/server/internal/problem"
)

// maxDepth bounds how deep a body may nest.
const maxDepth = 32

// reader walks over a JSON text once, from left to right. The caller asks
// for what it expects: Peek tells the kind of the next value, and one of Members,
// Elements, ReadString, number, literal or Skip consumes it.
//
// It is here instead of encoding/json because requests are unions (a text, an
// object, or a list of either), whose errors must name the field; because
// encoding/json lets duplicate members and invalid Unicode pass; and because it
// costs no more than the strings: those without escapes are parts of the text.
//
// The first syntax error sticks in syntax. From then on every method returns at
// once, so that callers check it once, at the end.
type reader struct {
	text   string // valid UTF-8
	pos    int
	depth  int
	syntax *problem.Problem
}

func (r *reader) fail(format string, args ...any) {
	if r.syntax == nil {
		r.syntax = problem.Malformed("the body cannot be read as JSON: at byte %d: "+format, append([]any{r.pos}, args...)...)
	}
}

// Peek returns the first byte of the next token: '{', '[', '"', 't', 'f', 'n',
// a digit or '-' if a value follows, punctuation otherwise; 0 at the end and
// after an error.
func (r *reader) Peek() byte {
	if r.syntax != nil {
		return 0
	}
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// accept consumes the next token if it is the punctuation c.
func (r *reader) accept(c byte) bool {
	if r.Peek() != c {
		return false
	}
	r.pos++
	return true
}

// open consumes a bracket, or fails.
func (r *reader) open(c byte) bool {
	if !r.accept(c) {
		r.fail("expected '%c'", c)
		return false
	}
	if r.depth++; r.depth > maxDepth {
		r.fail("nested deeper than %d", maxDepth)
		return false
	}
	return true
}

// more is called behind a member or element; it tells whether another follows.
func (r *reader) more(end byte) bool {
	if r.accept(',') {
		return true
	}
	if !r.accept(end) {
		r.fail("expected ',' or '%c'", end)
	}
	r.depth--
	return false
}

// Members ranges over the members of an object. The body of the loop consumes
// the member's value, and does not break.
func (r *reader) Members(yield func(name string) bool) {
	if !r.open('{') {
		return
	}
	if r.accept('}') {
		r.depth--
		return
	}
	for {
		name := r.ReadString()
		if !r.accept(':') {
			r.fail("expected ':'")
		}
		if r.syntax != nil || !yield(name) || !r.more('}') {
			return
		}
	}
}

// Elements ranges over the elements of an array, by index. The body of the loop
// consumes the element, and does not break.
func (r *reader) Elements(yield func(i int) bool) {
	if !r.open('[') {
		return
	}
	if r.accept(']') {
		r.depth--
		return
	}
	for i := 0; ; i++ {
		if r.syntax != nil || !yield(i) || !r.more(']') {
			return
		}
	}
}

// ReadString consumes a string.
func (r *reader) ReadString() string {
	if !r.accept('"') {
		r.fail("expected a string")
		return ""
	}
	start := r.pos
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; {
		case c == '"':
			r.pos++
			return r.text[start : r.pos-1]
		case c == '\\':
			return r.unescape(start)
		case c < ' ':
			r.fail("control character in a string")
			return ""
		}
	}
	r.fail("a string does not end")
	return ""
}

// unescape finishes a string that has escapes. It began at start; pos is at its
// first backslash.
func (r *reader) unescape(start int) string {
	var b strings.Builder
	b.WriteString(r.text[start:r.pos])
	for r.pos < len(r.text) {
		switch c := r.text[r.pos]; {
		case c == '"':
			r.pos++
			return b.String()
		case c < ' ':
			r.fail("control character in a string")
			return ""
		case c != '\\':
			from := r.pos
			for r.pos < len(r.text) && r.text[r.pos] >= ' ' && r.text[r.pos] != '"' && r.text[r.pos] != '\\' {
				r.pos++
			}
			b.WriteString(r.text[from:r.pos])
			continue
		}
		if r.pos+1 == len(r.text) {
			break
		}
		switch c := r.text[r.pos+1]; c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			c, ok := r.unit()
			if !ok {
				return ""
			}
			b.WriteRune(c)
			continue
		default:
			r.fail("unknown escape")
			return ""
		}
		r.pos += 2
	}
	r.pos = len(r.text)
	r.fail("a string does not end")
	return ""
}

// unit consumes \uXXXX, or two of them that are a surrogate pair. A lone
// surrogate stands for no character: it is an error, not U+FFFD, as it is in
// services written in Python, so that a client learns that it cut a text in the
// middle of a character.
func (r *reader) unit() (rune, bool) {
	c, ok := hex4(r.text[r.pos:])
	if !ok {
		r.fail(`\u is not followed by four hexadecimal digits`)
		return 0, false
	}
	if !utf16.IsSurrogate(c) {
		r.pos += 6
		return c, true
	}
	if low, ok := hex4(r.text[r.pos+6:]); ok {
		if c := utf16.DecodeRune(c, low); c != utf8.RuneError {
			r.pos += 12
			return c, true
		}
	}
	r.fail("half a surrogate pair")
	return 0, false
}

// hex4 decodes the \uXXXX that s begins with.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var v rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}

// number consumes a number and returns it as it is written.
func (r *reader) number() string {
	if r.Peek(); r.syntax != nil {
		return ""
	}
	start := r.pos
	digits := func() bool {
		from := r.pos
		for r.pos < len(r.text) && '0' <= r.text[r.pos] && r.text[r.pos] <= '9' {
			r.pos++
		}
		return r.pos > from
	}
	at := func(set string) bool {
		if r.pos < len(r.text) && strings.IndexByte(set, r.text[r.pos]) >= 0 {
			r.pos++
			return true
		}
		return false
	}
	at("-")
	ok := at("0") || digits()
	if ok && at(".") {
		ok = digits()
	}
	if ok && at("eE") {
		at("+-")
		ok = digits()
	}
	if !ok {
		r.fail("not a number")
		return ""
	}
	return r.text[start:r.pos]
}

// literal consumes the word true, false or null.
func (r *reader) literal(word string) {
	if r.Peek(); r.syntax != nil {
		return
	}
	if !strings.HasPrefix(r.text[r.pos:], word) {
		r.fail("expected a value")
		return
	}
	r.pos += len(word)
}

// Skip consumes any value.
func (r *reader) Skip() {
	switch c := r.Peek(); c {
	case '{':
		for range r.Members {
			r.Skip()
		}
	case '[':
		for range r.Elements {
			r.Skip()
		}
	case '"':
		r.ReadString()
	case 't':
		r.literal("true")
	case 'f':
		r.literal("false")
	case 'n':
		r.literal("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			r.fail("expected a value")
		}
		r.number()
	}
}

// end fails if anything but blanks is left.
func (r *reader) end() {
	if r.Peek() != 0 || r.syntax == nil && r.pos < len(r.text) {
		r.fail("text after the value")
	}
}

// wholeNumber reads a number's text as an integer of 32 bits. 7, 7.0 and 70e-1
// are the same number, for JSON as for its schemas.
func wholeNumber(text string) (n int32, ok bool) {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return int32(n), true
	}
	v, err := strconv.ParseFloat(text, 64)
	return int32(v), err == nil && v == math.Trunc(v) && v >= math.MinInt32 && v <= math.MaxInt32
}
