package codepoint

import "unicode/utf8"

// A grapheme is the role of a code point in extended grapheme clusters (Unicode Standard Annex 29): a
// class in the lower four bits, and flags.
type grapheme uint8

const (
	graphemePrepend grapheme = 1 + iota
	graphemeControl
	graphemeExtend
	graphemeZWJ
	graphemeSpacingMark
	graphemeRegional
	graphemeL // Hangul leading consonants, vowels, trailing consonants; classes of syllables are computed
	graphemeV
	graphemeT
	graphemeLV
	graphemeLVT
)

const (
	graphemeClass        = 1<<4 - 1
	graphemePictographic = 1 << 4
	graphemeConsonant    = 1 << 5 // a consonant of an Indic script
	graphemeLinker       = 2 << 5 // joins such consonants
	graphemeLinked       = 3 << 5 // may stand between them
	graphemeConjunct     = 3 << 5
)

// graphemeNames are the names in unicode.txt.
var graphemeNames = map[string]grapheme{
	"prepend": graphemePrepend, "control": graphemeControl, "extend": graphemeExtend, "zwj": graphemeZWJ,
	"spacingmark": graphemeSpacingMark, "regional": graphemeRegional,
	"l": graphemeL, "v": graphemeV, "t": graphemeT,
	"pictographic": graphemePictographic,
	"consonant":    graphemeConsonant, "linker": graphemeLinker, "linked": graphemeLinked,
}

// graphemeOf returns the role of r, which must be a valid code point.
func (t *Tables) graphemeOf(r rune) grapheme {
	if r >= hangulFirst && r <= hangulLast {
		if (r-hangulFirst)%tails == 0 {
			return graphemeLV
		}
		return graphemeLVT
	}
	return t.graphemes.of(r)
}

// ClusterLen returns the length in bytes of the grapheme cluster at the start of text, which is not
// empty. GB3 to GB13 are the numbers of the rules in the annex.
func (t *Tables) ClusterLen(text []byte) int {
	r, n := utf8.DecodeRune(text)
	left := t.graphemeOf(r)
	regional := left&graphemeClass == graphemeRegional // the cluster ends in an unpaired regional indicator
	pictographic := left&graphemePictographic != 0     // the cluster is a pictograph followed by extenders so far
	consonant := left&graphemeConjunct == graphemeConsonant
	linked := false // a linker follows the consonant
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		right := t.graphemeOf(r)
		a, b := left&graphemeClass, right&graphemeClass
		var joined bool
		switch {
		case text[n-1] == '\r' && text[n] == '\n': // GB3
			joined = true
		case a == graphemeControl || b == graphemeControl: // GB4, GB5
		case a == graphemeL && (b == graphemeL || b == graphemeV || b == graphemeLV || b == graphemeLVT), // GB6
			(a == graphemeLV || a == graphemeV) && (b == graphemeV || b == graphemeT), // GB7
			(a == graphemeLVT || a == graphemeT) && b == graphemeT,                    // GB8
			b == graphemeExtend || b == graphemeZWJ || b == graphemeSpacingMark,       // GB9, GB9a
			a == graphemePrepend: // GB9b
			joined = true
		case consonant && linked && right&graphemeConjunct == graphemeConsonant: // GB9c
			joined = true
		case pictographic && a == graphemeZWJ && right&graphemePictographic != 0: // GB11
			joined = true
		case regional && a == graphemeRegional && b == graphemeRegional: // GB12, GB13
			joined, regional = true, false
			left = right
			n += size
			continue
		}
		if !joined {
			break
		}
		regional = b == graphemeRegional
		pictographic = right&graphemePictographic != 0 || pictographic && (b == graphemeExtend || b == graphemeZWJ)
		switch right & graphemeConjunct {
		case graphemeConsonant:
			consonant, linked = true, false
		case graphemeLinker:
			linked = consonant
		case graphemeLinked:
		default:
			consonant = false
		}
		left = right
		n += size
	}
	return n
}
