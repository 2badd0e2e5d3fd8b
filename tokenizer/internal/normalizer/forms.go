package normalizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// A normalForm is NFC, NFD, NFKC or NFKD (Unicode Standard Annex 15): canonical or compatibility
// decomposition, reordering of marks by combining class, and for NFC and NFKC composition.
//
// golang.org/x/text/unicode/norm gives other results: it knows code points that the reference does not
// change, and it inserts U+034F into long runs of marks.
type normalForm struct {
	compatible bool
	compose    bool
	unicode    *codepoint.Tables
}

func (f normalForm) normalize(s *Scratch, dst, src []byte) ([]byte, error) {
	// No code point is reordered past an ASCII code point, and none composes with an ASCII code point
	// after it. So the text consists of independent chunks: an ASCII code point and all others up to the
	// next.
	chunk := s.runes[:0]
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			dst = f.appendChunk(s, dst, chunk)
			chunk = chunk[:0]
			for i+1 < len(src) && src[i+1] < utf8.RuneSelf {
				dst = append(dst, src[i])
				i++
			}
			chunk = append(chunk, codepoint.ClassedRune{Rune: rune(src[i])})
			i++
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		chunk = f.unicode.AppendDecomposed(chunk, r, f.compatible)
		i += size
	}
	dst = f.appendChunk(s, dst, chunk)
	s.runes = chunk
	return dst, nil
}

// appendChunk appends a decomposed chunk to dst: in canonical order, and composed if f.compose.
func (f normalForm) appendChunk(s *Scratch, dst []byte, chunk []codepoint.ClassedRune) []byte {
	for i := 0; i < len(chunk); {
		if chunk[i].Class == 0 {
			i++
			continue
		}
		from := i
		for i < len(chunk) && chunk[i].Class != 0 {
			i++
		}
		s.marks = codepoint.SortMarks(chunk[from:i], s.marks)
	}
	if f.compose {
		chunk = f.unicode.Compose(chunk)
	}
	for _, c := range chunk {
		dst = utf8.AppendRune(dst, c.Rune)
	}
	return dst
}
