package codepoint

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

// A ClassedRune is a code point with its canonical combining class.
type ClassedRune struct {
	Rune  rune
	Class uint8
}

// AppendDecomposed appends the full decomposition of r: the compatibility decomposition if compatibly is
// true, otherwise the canonical one.
func (t *Tables) AppendDecomposed(dst []ClassedRune, r rune, compatibly bool) []ClassedRune {
	p := t.Properties(r)
	switch {
	case compatibly && p&compatible != 0:
		dst = append(dst, t.decompositions[t.nfkd.of(r)]...)
	case p&Decomposed == 0:
		dst = append(dst, ClassedRune{r, t.classes.of(r)})
	case r >= hangulFirst && r <= hangulLast:
		k := r - hangulFirst
		dst = append(dst, ClassedRune{Rune: leadBase + k/(vowels*tails)}, ClassedRune{Rune: vowelBase + k/tails%vowels})
		if k%tails != 0 {
			dst = append(dst, ClassedRune{Rune: tailBase + k%tails})
		}
	default:
		dst = append(dst, t.decompositions[t.nfd.of(r)]...)
	}
	return dst
}

// Compose applies canonical composition to chunk, in place (Unicode, section 3.11, D117). It composes
// each code point with the last starter before it, unless a code point of the same or a higher class is
// between them. chunk is decomposed and in canonical order.
func (t *Tables) Compose(chunk []ClassedRune) []ClassedRune {
	out := chunk[:0]
	starter := -1 // index of the last starter in out
	for _, c := range chunk {
		if starter >= 0 {
			// The code points between are in order, so the last one has the highest class.
			last := uint8(0)
			if len(out)-1 > starter {
				last = out[len(out)-1].Class
			}
			if len(out)-1 == starter || last < c.Class {
				if r, ok := t.composePair(out[starter].Rune, c.Rune); ok {
					out[starter].Rune = r
					continue
				}
			}
		}
		if c.Class == 0 {
			starter = len(out)
		}
		out = append(out, c)
	}
	return out
}

// composePair returns the composition of a and b, and whether there is one.
func (t *Tables) composePair(a, b rune) (rune, bool) {
	switch {
	case a >= leadBase && a < leadBase+leads && b >= vowelBase && b < vowelBase+vowels:
		return hangulFirst + ((a-leadBase)*vowels+(b-vowelBase))*tails, true
	case a >= hangulFirst && a <= hangulLast && b > tailBase && b < tailBase+tails && (a-hangulFirst)%tails == 0:
		return a + (b - tailBase), true
	}
	r, ok := t.composites[[2]rune{a, b}]
	return r, ok
}

// SortMarks sorts marks by combining class in linear time. Marks of equal class keep their order. It
// overwrites buffer and returns it, possibly reallocated.
func SortMarks(marks, buffer []ClassedRune) []ClassedRune {
	sorted := true
	for i := 1; i < len(marks); i++ {
		sorted = sorted && marks[i-1].Class <= marks[i].Class
	}
	if sorted {
		return buffer
	}
	if len(marks) <= 16 {
		for i := 1; i < len(marks); i++ {
			for k := i; k > 0 && marks[k-1].Class > marks[k].Class; k-- {
				marks[k-1], marks[k] = marks[k], marks[k-1]
			}
		}
		return buffer
	}
	var at [257]int // first at[k+1] is the number of marks of class k, then at[k] is the next index for class k
	for _, m := range marks {
		at[int(m.Class)+1]++
	}
	for k := 1; k < len(at); k++ {
		at[k] += at[k-1]
	}
	buffer = append(buffer[:0], marks...)
	for _, m := range buffer {
		marks[at[m.Class]] = m
		at[m.Class]++
	}
	return buffer
}
