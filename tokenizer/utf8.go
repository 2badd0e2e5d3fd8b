package tokenizer

import "unicode/utf8"

// appendValidUTF8 appends text to dst and replaces invalid UTF-8 by U+FFFD: one U+FFFD for each maximal
// prefix of an incomplete code point, and one for each other invalid byte. The lossy decoders of Python
// and Rust do the same (Unicode, section 3.9, "U+FFFD Substitution of Maximal Subparts"). A range loop
// over a Go string would give one U+FFFD for each byte.
func appendValidUTF8(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			dst = append(dst, text[i])
			i++
			continue
		}
		if r, size := utf8.DecodeRune(text[i:]); r != utf8.RuneError || size > 1 {
			dst = append(dst, text[i:i+size]...)
			i += size
			continue
		}
		dst = append(dst, "\uFFFD"...)
		i += maximalSubpart(text[i:])
	}
	return dst
}

// maximalSubpart returns the length of the maximal subpart at the start of text: the lead byte and each
// following byte that could still belong to its code point. text starts with an ill-formed sequence.
func maximalSubpart(text []byte) int {
	// The range of the second byte depends on the first (Unicode, table 3-7). Later bytes are 80..BF.
	low, high, size := byte(0x80), byte(0xBF), 0
	switch lead := text[0]; {
	case lead >= 0xC2 && lead <= 0xDF:
		size = 2
	case lead >= 0xE0 && lead <= 0xEF:
		size = 3
		switch lead {
		case 0xE0:
			low = 0xA0
		case 0xED:
			high = 0x9F
		}
	case lead >= 0xF0 && lead <= 0xF4:
		size = 4
		switch lead {
		case 0xF0:
			low = 0x90
		case 0xF4:
			high = 0x8F
		}
	}
	n := 1
	for n < size && n < len(text) && low <= text[n] && text[n] <= high {
		n++
		low, high = 0x80, 0xBF
	}
	return n
}
