package jsonbody

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
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
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	return append(b, '"')
}

// AppendFloat appends a finite score with the fewest digits that give the same
// float32 back. Whole scores get a point too, so that clients in languages with
// both kinds of numbers always see a floating-point one.
func AppendFloat(b []byte, v float32) []byte {
	n := len(b)
	b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
	if bytes.IndexByte(b[n:], '.') < 0 && bytes.IndexByte(b[n:], 'e') < 0 {
		b = append(b, '.', '0')
	}
	return b
}

// AppendStringOrNull appends a string, or null for none.
func AppendStringOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return AppendString(b, s)
}
