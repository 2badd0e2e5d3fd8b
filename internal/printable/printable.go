// Package printable makes text that others wrote safe for a terminal and a log.
//
// A name, a label or a note of a file may hold characters that a terminal obeys:
// it changes colours, its title or the cursor, or it shows text in another order
// than it has. Such text could forge a line or hide one. This package replaces each
// such character by an escape that shows it, as \u001b.
//
// The characters are the controls C0, DEL and C1, the line and paragraph separators,
// and those that Unicode's bidirectional algorithm obeys (UAX #9, explicit
// formatting and marks). Bytes that are not UTF-8 become U+FFFD.
package printable

import (
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// obeyed tells whether a terminal or a viewer acts on a character instead of
// showing it.
func obeyed(r rune) bool {
	switch {
	case r < ' ', 0x7f <= r && r <= 0x9f: // C0, DEL, C1
	case r == 0x061c, r == 0x200e, r == 0x200f: // marks of direction
	case 0x2028 <= r && r <= 0x202e: // separators, embeddings, overrides
	case 0x2066 <= r && r <= 0x2069: // isolates
	default:
		return false
	}
	return true
}

// Line returns s as part of one line: line ends and tabs are escaped too.
func Line(s string) string { return escape(s, "") }

// Lines is [Line] for each of many.
func Lines(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Line(s)
	}
	return out
}

// lines returns s with its line ends and tabs, for text that has several lines.
func lines(s string) string { return escape(s, "\n\t") }

// Error returns the text of an error. Lines after the first are indented, so that a
// name with a line end in it cannot pass for a message of its own.
func Error(err error) string {
	return strings.ReplaceAll(lines(err.Error()), "\n", "\n  ")
}

// escape escapes all obeyed characters but those of keep.
func escape(s, keep string) string {
	if clean(s, keep) {
		return s
	}
	return string(appendEscaped(nil, s, keep))
}

// clean tells whether s has nothing to escape.
func clean(s, keep string) bool {
	for _, r := range s {
		if r == utf8.RuneError || obeyed(r) && strings.IndexRune(keep, r) < 0 {
			return false
		}
	}
	return true
}

func appendEscaped(b []byte, s, keep string) []byte {
	for _, r := range s {
		if strings.ContainsRune(keep, r) {
			b = utf8.AppendRune(b, r)
		} else {
			b = AppendRune(b, r)
		}
	}
	return b
}

// AppendRune appends a character or its escape.
func AppendRune(b []byte, r rune) []byte {
	if !obeyed(r) {
		return utf8.AppendRune(b, r)
	}
	const digits = "0123456789abcdef" // obeyed characters have 16 bits
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// AppendJSON appends encoded JSON. In JSON an obeyed character that is not white
// space can only be in a string, where its escape means the same, so that the
// value does not change. Encoders escape C0 only.
func AppendJSON(b []byte, text string) []byte {
	const space = "\n\r\t"
	if clean(text, space) {
		return append(b, text...)
	}
	return appendEscaped(b, text, space)
}

// Writer writes to w what a program prints. It escapes what a terminal obeys, but
// for the characters that programs lay text out with: line end, carriage return and
// tab. A character that is split between two calls is kept until it is complete.
// Many goroutines may write.
func Writer(w io.Writer) io.Writer { return &writer{out: w} }

type writer struct {
	out io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character
	buf  []byte
}

// Write implements io.Writer. It reports all of p as written unless out fails.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.rest) > 0 {
		text = append(w.rest, p...)
		w.rest = nil
	}
	if n := incomplete(text); n > 0 {
		w.rest = append([]byte(nil), text[len(text)-n:]...)
		text = text[:len(text)-n]
	}
	w.buf = AppendJSON(w.buf[:0], string(text))
	if _, err := w.out.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// incomplete returns how many bytes at the end of p begin a character that the next
// call may complete.
func incomplete(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if c := p[len(p)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
