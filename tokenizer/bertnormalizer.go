package tokenizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// bertOptions are BertNormalizer's fields. stripAccents nil means: if lowercase.
type bertOptions struct {
	cleanText, chineseChars bool
	stripAccents            *bool
	lowercase               bool
}

// A bertNormalizer does four things one after another, each if asked to: drop control characters
// and make all white space a space; put spaces around CJK ideographs; decompose (NFD) and drop
// nonspacing marks; lower case. It does them in one pass: only the reordering of marks looks at more
// than one code point, and it waits in a list of the marks that are neither dropped nor written.
type bertNormalizer struct {
	cleanText, chineseChars, stripAccents, lowercase bool

	unicode *codepoint.Tables
	// Code points with none of these properties stay as they are.
	changes codepoint.Property
	// What becomes of an ASCII code point; dropped where it goes.
	ascii [utf8.RuneSelf]byte
}

// dropped marks ASCII code points that clean_text removes; it is none itself.
const dropped = 0xFF

func newBertNormalizer(o bertOptions) *bertNormalizer {
	n := &bertNormalizer{
		cleanText:    o.cleanText,
		chineseChars: o.chineseChars,
		stripAccents: o.lowercase,
		lowercase:    o.lowercase,
		unicode:      codepoint.Load(),
	}
	if o.stripAccents != nil {
		n.stripAccents = *o.stripAccents
	}
	if n.cleanText {
		n.changes |= codepoint.Control | codepoint.Space
	}
	if n.chineseChars {
		n.changes |= codepoint.CJK
	}
	if n.stripAccents {
		n.changes |= codepoint.Decomposed | codepoint.Nonspacing | codepoint.Reordered
	}
	if n.lowercase {
		n.changes |= codepoint.HasLowercase
	}
	for r := range rune(utf8.RuneSelf) {
		p := n.unicode.Properties(r)
		switch {
		case n.cleanText && p&codepoint.Control != 0:
			n.ascii[r] = dropped
		case n.cleanText && p&codepoint.Space != 0:
			n.ascii[r] = ' '
		case n.lowercase && p&codepoint.HasLowercase != 0:
			n.ascii[r] = n.unicode.AppendLower(nil, r, p)[0]
		default:
			n.ascii[r] = byte(r)
		}
	}
	return n
}

func (n *bertNormalizer) normalize(s *scratch, dst, src []byte) ([]byte, error) {
	marks := s.runes[:0] // marks that may still move, of which none is written
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			b := n.ascii[src[i]]
			i++
			if b != dropped {
				if len(marks) > 0 {
					dst, marks = n.appendMarks(s, dst, marks), marks[:0]
				}
				dst = append(dst, b)
			}
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		p := n.unicode.Properties(r)
		if p&n.changes == 0 {
			if len(marks) > 0 {
				dst, marks = n.appendMarks(s, dst, marks), marks[:0]
			}
			dst = append(dst, src[i:i+size]...)
			i += size
			continue
		}
		i += size
		if n.cleanText && p&codepoint.Control != 0 {
			continue
		}
		if n.cleanText && p&codepoint.Space != 0 {
			r, p = ' ', codepoint.Space
		}
		apart := n.chineseChars && p&codepoint.CJK != 0
		if apart {
			dst, marks = n.appendMarks(s, dst, marks), marks[:0]
			dst = append(dst, ' ')
		}
		dst, marks = n.appendRune(s, dst, marks, r, p)
		if apart {
			dst, marks = n.appendMarks(s, dst, marks), marks[:0]
			dst = append(dst, ' ')
		}
	}
	dst = n.appendMarks(s, dst, marks)
	s.runes = marks
	return dst, nil
}

// appendRune appends what becomes of r, after cleaning, to dst or, if it may still move, to marks.
func (n *bertNormalizer) appendRune(s *scratch, dst []byte, marks []codepoint.ClassedRune, r rune, p codepoint.Property) ([]byte, []codepoint.ClassedRune) {
	if !n.stripAccents {
		return n.appendCased(dst, r, p), marks
	}
	from := len(marks)
	marks = n.unicode.AppendDecomposed(marks, r, false)
	decomposition := marks[from:]
	marks = marks[:from]
	for _, c := range decomposition {
		p := n.unicode.Properties(c.Rune)
		if c.Class == 0 {
			dst, marks = n.appendMarks(s, dst, marks), marks[:0]
		}
		switch {
		case p&codepoint.Nonspacing != 0:
		case c.Class == 0:
			dst = n.appendCased(dst, c.Rune, p)
		default:
			marks = append(marks, c) // where c was read from, or before
		}
	}
	return dst, marks
}

// appendMarks appends marks in canonical order.
func (n *bertNormalizer) appendMarks(s *scratch, dst []byte, marks []codepoint.ClassedRune) []byte {
	s.marks = codepoint.SortMarks(marks, s.marks)
	for _, c := range marks {
		dst = n.appendCased(dst, c.Rune, n.unicode.Properties(c.Rune))
	}
	return dst
}

func (n *bertNormalizer) appendCased(dst []byte, r rune, p codepoint.Property) []byte {
	if n.lowercase {
		return n.unicode.AppendLower(dst, r, p)
	}
	return utf8.AppendRune(dst, r)
}
