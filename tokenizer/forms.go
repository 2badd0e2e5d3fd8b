package tokenizer

import (
	"unicode/utf8"
)

// Hangul syllables are composed and decomposed by arithmetic (Unicode, section 3.12).
const (
	hangulFirst = 0xAC00
	hangulLast  = 0xD7A3
	leadBase    = 0x1100
	vowelBase   = 0x1161
	tailBase    = 0x11A7
	leads       = 19
	vowels      = 21
	tails       = 28
)

// A classed is a code point with its canonical combining class.
type classed struct {
	r     rune
	class uint8
}

// A normalForm is one of Unicode's normalization forms (UAX #15): decomposition, canonical or by
// compatibility, reordering of marks by combining class, and for NFC and NFKC composition.
//
// golang.org/x/text/unicode/norm does not do: it knows code points that the reference leaves alone,
// and it limits runs of marks by inserting U+034F.
type normalForm struct {
	compatible bool
	compose    bool
	unicode    *unicodeTable
}

func (f normalForm) normalize(s *scratch, dst, src []byte) ([]byte, error) {
	// An ASCII code point starts afresh: nothing before it moves past it or composes with it.
	// So the text falls into chunks, one ASCII code point and all others up to the next.
	chunk := s.runes[:0]
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			dst = f.appendChunk(s, dst, chunk)
			chunk = chunk[:0]
			for i+1 < len(src) && src[i+1] < utf8.RuneSelf {
				dst = append(dst, src[i])
				i++
			}
			chunk = append(chunk, classed{r: rune(src[i])})
			i++
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		chunk = f.unicode.appendDecomposed(chunk, r, f.compatible)
		i += size
	}
	dst = f.appendChunk(s, dst, chunk)
	s.runes = chunk
	return dst, nil
}

// appendChunk appends a decomposed chunk to dst, in order and composed if the form asks for it.
func (f normalForm) appendChunk(s *scratch, dst []byte, chunk []classed) []byte {
	for i := 0; i < len(chunk); {
		if chunk[i].class == 0 {
			i++
			continue
		}
		from := i
		for i < len(chunk) && chunk[i].class != 0 {
			i++
		}
		s.sortMarks(chunk[from:i])
	}
	if f.compose {
		chunk = f.unicode.compose(chunk)
	}
	for _, c := range chunk {
		dst = utf8.AppendRune(dst, c.r)
	}
	return dst
}

// appendDecomposed appends the full decomposition of r, by compatibility or only canonical.
func (t *unicodeTable) appendDecomposed(dst []classed, r rune, compatibly bool) []classed {
	p := t.of(r)
	switch {
	case compatibly && p&compatible != 0:
		dst = append(dst, t.decompositions[t.nfkd.of(r)]...)
	case p&decomposed == 0:
		dst = append(dst, classed{r, t.classes.of(r)})
	case r >= hangulFirst && r <= hangulLast:
		k := r - hangulFirst
		dst = append(dst, classed{r: leadBase + k/(vowels*tails)}, classed{r: vowelBase + k/tails%vowels})
		if k%tails != 0 {
			dst = append(dst, classed{r: tailBase + k%tails})
		}
	default:
		dst = append(dst, t.decompositions[t.nfd.of(r)]...)
	}
	return dst
}

// compose joins, in place, what canonical composition joins (Unicode, section 3.11, D117): each
// code point with the last starter before it, unless something of the same or a higher class stands
// between them.
func (t *unicodeTable) compose(chunk []classed) []classed {
	out := chunk[:0]
	starter := -1 // where in out the last starter is
	for _, c := range chunk {
		if starter >= 0 {
			// What stands between is in order, so its last one has the highest class.
			last := uint8(0)
			if len(out)-1 > starter {
				last = out[len(out)-1].class
			}
			if len(out)-1 == starter || last < c.class {
				if r, ok := t.pair(out[starter].r, c.r); ok {
					out[starter].r = r
					continue
				}
			}
		}
		if c.class == 0 {
			starter = len(out)
		}
		out = append(out, c)
	}
	return out
}

// pair returns what a and b compose to.
func (t *unicodeTable) pair(a, b rune) (rune, bool) {
	switch {
	case a >= leadBase && a < leadBase+leads && b >= vowelBase && b < vowelBase+vowels:
		return hangulFirst + ((a-leadBase)*vowels+(b-vowelBase))*tails, true
	case a >= hangulFirst && a <= hangulLast && b > tailBase && b < tailBase+tails && (a-hangulFirst)%tails == 0:
		return a + (b - tailBase), true
	}
	r, ok := t.composites[[2]rune{a, b}]
	return r, ok
}

// sortMarks sorts marks by class and keeps the order of equals, in linear time.
func (s *scratch) sortMarks(marks []classed) {
	sorted := true
	for i := 1; i < len(marks); i++ {
		sorted = sorted && marks[i-1].class <= marks[i].class
	}
	if sorted {
		return
	}
	if len(marks) <= 16 {
		for i := 1; i < len(marks); i++ {
			for k := i; k > 0 && marks[k-1].class > marks[k].class; k-- {
				marks[k-1], marks[k] = marks[k], marks[k-1]
			}
		}
		return
	}
	var at [257]int // at[k+1] counts class k, then at[k] is where class k goes next
	for _, m := range marks {
		at[int(m.class)+1]++
	}
	for k := 1; k < len(at); k++ {
		at[k] += at[k-1]
	}
	s.marks = append(s.marks[:0], marks...)
	for _, m := range s.marks {
		marks[at[m.class]] = m
		at[m.class]++
	}
}
