package jsonbody

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"kenserve/internal/printable"
)

// AppendString appends s as a JSON string. Each byte that is not valid UTF-8
// becomes U+FFFD. Characters that a terminal obeys are escaped, since answers end up
// in terminals and logs.
func AppendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			i++
		case c < 0x7f:
			b = append(b, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = printable.AppendRune(b, r)
			i += n
		}
	}
	return append(b, '"')
}

// AppendFloat appends a finite number with the fewest digits from which a client
// reads the same float32. Whole numbers get ".0", so that clients in languages
// with integers always see a floating-point number.
func AppendFloat(b []byte, v float32) []byte {
	n := len(b)
	b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
	if bytes.IndexByte(b[n:], '.') < 0 && bytes.IndexByte(b[n:], 'e') < 0 {
		b = append(b, '.', '0')
	}
	return b
}

// AppendStringOrNull appends s as a JSON string, or null if s is empty.
func AppendStringOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return AppendString(b, s)
}
