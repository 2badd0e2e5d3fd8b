// Package jsonbody reads and writes the JSON of requests and answers.
//
// The reader is strict: valid UTF-8, no member twice in an object at any depth, no
// escape that is half a surrogate pair, no nesting deeper than 32, at most 4096
// members in an object. It names the field of the first value that is not allowed,
// and finds members by name; see [Object]. It takes no memory beyond the body but for
// strings with escapes and the names of the members of open objects.
package jsonbody

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"kenserve/server/internal/problem"
)

// maxDepth is the deepest nesting of arrays and objects that a body may have.
const maxDepth = 32

// maxMembers is the largest number of members of an object.
const maxMembers = 4096

// reader reads a JSON text once, from left to right. Peek returns the kind of the
// next value; one of Members, Elements, ReadString, number, literal and Skip
// consumes it.
//
// encoding/json does not serve here, for three reasons. Requests are unions (a
// text, an object, or a list of either), and errors must name the field at fault.
// encoding/json accepts duplicate members and invalid Unicode. And this reader
// does not copy: a string without escapes is a part of the text.
//
// The first syntax error is kept in syntax. After it every method returns at
// once, so that callers check for it once, at the end.
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

// Peek returns the first byte of the next token: '{', '[', '"', 't', 'f', 'n', a
// digit or '-' for a value, and punctuation otherwise. It returns 0 at the end of
// the text and after an error.
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

// accept consumes the next token if it is the punctuation character c.
func (r *reader) accept(c byte) bool {
	if r.Peek() != c {
		return false
	}
	r.pos++
	return true
}

// open consumes the opening bracket c. Anything else is a syntax error.
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

// more consumes the comma or the closing bracket after a member or an element,
// and tells whether another one follows.
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

// Members ranges over the members of an object. The loop's body must consume the
// member's value and must not break. A name that appears twice is an error: readers
// differ in which of the values counts, so a proxy that checks the one would let the
// other pass.
func (r *reader) Members(yield func(name string) bool) {
	if !r.open('{') {
		return
	}
	if r.accept('}') {
		r.depth--
		return
	}
	var seen memberNames
	for {
		name := r.ReadString()
		if !r.accept(':') {
			r.fail("expected ':'")
		}
		if r.syntax == nil && !seen.add(name) {
			r.failTwice(name)
		}
		if r.syntax == nil && seen.count > maxMembers {
			r.fail("an object has more than %d members", maxMembers)
		}
		if r.syntax != nil || !yield(name) || !r.more('}') {
			break
		}
	}
	if name, twice := seen.repeated(); twice {
		r.failTwice(name)
	}
}

func (r *reader) failTwice(name string) { r.fail("member %s appears twice", problem.Quote(name)) }

// Elements ranges over the elements of an array, by index. The loop's body must
// consume the element and must not break.
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
	r.fail("unterminated string")
	return ""
}

// unescape reads the rest of a string that has escapes. The string begins at
// start, and pos is at its first backslash.
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
	r.fail("unterminated string")
	return ""
}

// unit consumes \uXXXX, or two of them that form a surrogate pair. A lone
// surrogate is not a character. It is an error and does not become U+FFFD, so that
// a client learns that it cut a text in the middle of a character; services
// written in Python do the same.
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

// hex4 decodes \uXXXX at the beginning of s.
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

// number consumes a number and returns its text.
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
		r.fail("invalid number")
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

// end makes anything but white space in the rest of the text an error.
func (r *reader) end() {
	if r.Peek() != 0 || r.syntax == nil && r.pos < len(r.text) {
		r.fail("text after the value")
	}
}

// wholeNumber converts the text of a number to a 32-bit integer. JSON and JSON
// Schema make no difference between 7, 7.0 and 70e-1.
func wholeNumber(text string) (n int32, ok bool) {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return int32(n), true
	}
	v, err := strconv.ParseFloat(text, 64)
	return int32(v), err == nil && v == math.Trunc(v) && v >= math.MinInt32 && v <= math.MaxInt32
}
