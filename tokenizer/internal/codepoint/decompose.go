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

// A classed is a code point with its canonical combining class.
type ClassedRune struct {
	Rune  rune
	Class uint8
}

// appendDecomposed appends the full decomposition of r, by compatibility or only canonical.
func (t *Tables) AppendDecomposed(dst []ClassedRune, r rune, compatibly bool) []ClassedRune {
	p := t.Properties(r)
	switch {
	case compatibly && p&compatible != 0:
		dst = append(dst, t.decompositions[t.nfkd.Of(r)]...)
	case p&Decomposed == 0:
		dst = append(dst, ClassedRune{r, t.classes.Of(r)})
	case r >= hangulFirst && r <= hangulLast:
		k := r - hangulFirst
		dst = append(dst, ClassedRune{Rune: leadBase + k/(vowels*tails)}, ClassedRune{Rune: vowelBase + k/tails%vowels})
		if k%tails != 0 {
			dst = append(dst, ClassedRune{Rune: tailBase + k%tails})
		}
	default:
		dst = append(dst, t.decompositions[t.nfd.Of(r)]...)
	}
	return dst
}

// compose joins, in place, what canonical composition joins (Unicode, section 3.11, D117): each
// code point with the last starter before it, unless something of the same or a higher class stands
// between them.
func (t *Tables) Compose(chunk []ClassedRune) []ClassedRune {
	out := chunk[:0]
	starter := -1 // where in out the last starter is
	for _, c := range chunk {
		if starter >= 0 {
			// What stands between is in order, so its last one has the highest class.
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

// pair returns what a and b compose to.
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

// sortMarks sorts marks by combining class in linear time. The order of marks of equal class stays. It
// uses buffer, whose contents do not matter, and returns it, possibly grown.
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
	var at [257]int // at[k+1] counts class k, then at[k] is where class k goes next
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
