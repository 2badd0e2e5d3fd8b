package normalizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// BertOptions are the members of BertNormalizer. If StripAccents is nil, Lowercase decides.
type BertOptions struct {
	CleanText, ChineseChars bool
	StripAccents            *bool
	Lowercase               bool
}

// Bert is the normalizer BertNormalizer. It has four optional steps:
//
//  1. CleanText drops control characters and makes all white space a space.
//  2. ChineseChars puts spaces around CJK ideographs.
//  3. StripAccents decomposes (NFD) and drops nonspacing marks.
//  4. Lowercase.
//
// Bert does all steps in one pass. Only the canonical reordering of marks looks at more than one code
// point; for it, a list holds the marks that are neither dropped nor written yet.
//
// The exported fields and methods are for the fast path of package tokenizer.
type Bert struct {
	CleanText, ChineseChars, StripAccents, lowercase bool

	Unicode *codepoint.Tables
	// Changes are the properties of code points that the normalizer may change.
	Changes codepoint.Property
	// ASCII is the normal form of each ASCII code point, or Dropped.
	ASCII [utf8.RuneSelf]byte
}

// Dropped stands in Bert.ASCII for a code point that CleanText drops.
const Dropped = 0xFF

// NewBert returns BertNormalizer.
func NewBert(o BertOptions) *Bert {
	n := &Bert{
		CleanText:    o.CleanText,
		ChineseChars: o.ChineseChars,
		StripAccents: o.Lowercase,
		lowercase:    o.Lowercase,
		Unicode:      codepoint.Load(),
	}
	if o.StripAccents != nil {
		n.StripAccents = *o.StripAccents
	}
	if n.CleanText {
		n.Changes |= codepoint.Control | codepoint.Space
	}
	if n.ChineseChars {
		n.Changes |= codepoint.CJK
	}
	if n.StripAccents {
		n.Changes |= codepoint.Decomposed | codepoint.Nonspacing | codepoint.Reordered
	}
	if n.lowercase {
		n.Changes |= codepoint.HasLowercase
	}
	for r := range rune(utf8.RuneSelf) {
		p := n.Unicode.Properties(r)
		switch {
		case n.CleanText && p&codepoint.Control != 0:
			n.ASCII[r] = Dropped
		case n.CleanText && p&codepoint.Space != 0:
			n.ASCII[r] = ' '
		case n.lowercase && p&codepoint.HasLowercase != 0:
			n.ASCII[r] = n.Unicode.AppendLower(nil, r, p)[0]
		default:
			n.ASCII[r] = byte(r)
		}
	}
	return n
}

// Normalize implements Normalizer.
func (n *Bert) normalize(s *Scratch, dst, src []byte) ([]byte, error) {
	marks := s.runes[:0] // marks that may still be reordered; none is written yet
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			b := n.ASCII[src[i]]
			i++
			if b != Dropped {
				if len(marks) > 0 {
					dst, marks = n.appendMarks(s, dst, marks), marks[:0]
				}
				dst = append(dst, b)
			}
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		p := n.Unicode.Properties(r)
		if p&n.Changes == 0 {
			if len(marks) > 0 {
				dst, marks = n.appendMarks(s, dst, marks), marks[:0]
			}
			dst = append(dst, src[i:i+size]...)
			i += size
			continue
		}
		i += size
		if n.CleanText && p&codepoint.Control != 0 {
			continue
		}
		if n.CleanText && p&codepoint.Space != 0 {
			r, p = ' ', codepoint.Space
		}
		isIdeograph := n.ChineseChars && p&codepoint.CJK != 0
		if isIdeograph {
			dst, marks = n.appendMarks(s, dst, marks), marks[:0]
			dst = append(dst, ' ')
		}
		dst, marks = n.appendRune(s, dst, marks, r, p)
		if isIdeograph {
			dst, marks = n.appendMarks(s, dst, marks), marks[:0]
			dst = append(dst, ' ')
		}
	}
	dst = n.appendMarks(s, dst, marks)
	s.runes = marks
	return dst, nil
}

// appendRune appends the normal form of r, which CleanText has passed. It appends marks that may still be
// reordered to marks and everything else to dst.
func (n *Bert) appendRune(s *Scratch, dst []byte, marks []codepoint.ClassedRune, r rune, p codepoint.Property) ([]byte, []codepoint.ClassedRune) {
	if !n.StripAccents {
		return n.AppendCased(dst, r, p), marks
	}
	from := len(marks)
	marks = n.Unicode.AppendDecomposed(marks, r, false)
	decomposition := marks[from:]
	marks = marks[:from]
	for _, c := range decomposition {
		p := n.Unicode.Properties(c.Rune)
		if c.Class == 0 {
			dst, marks = n.appendMarks(s, dst, marks), marks[:0]
		}
		switch {
		case p&codepoint.Nonspacing != 0:
		case c.Class == 0:
			dst = n.AppendCased(dst, c.Rune, p)
		default:
			marks = append(marks, c) // overwrites c or what is before it: the loop has read that
		}
	}
	return dst, marks
}

// appendMarks appends marks to dst in canonical order.
func (n *Bert) appendMarks(s *Scratch, dst []byte, marks []codepoint.ClassedRune) []byte {
	s.marks = codepoint.SortMarks(marks, s.marks)
	for _, c := range marks {
		dst = n.AppendCased(dst, c.Rune, n.Unicode.Properties(c.Rune))
	}
	return dst
}

// AppendCased appends r, or its lower case with Lowercase. p are the properties of r.
func (n *Bert) AppendCased(dst []byte, r rune, p codepoint.Property) []byte {
	if n.lowercase {
		return n.Unicode.AppendLower(dst, r, p)
	}
	return utf8.AppendRune(dst, r)
}
