package codepoint

import "unicode/utf8"

// A grapheme is the part that a code point has in grapheme clusters (Unicode annex 29, extended
// clusters): one of the classes, which have a number, and facts of one bit each.
type grapheme uint8

const (
	graphemePrepend grapheme = 1 + iota
	graphemeControl
	graphemeExtend
	graphemeZWJ
	graphemeSpacingMark
	graphemeRegional
	graphemeL // Hangul: leading consonants, vowels, trailing consonants; syllables are computed
	graphemeV
	graphemeT
	graphemeLV
	graphemeLVT
)

const (
	graphemeClass        = 1<<4 - 1
	graphemePictographic = 1 << 4
	graphemeConsonant    = 1 << 5 // of Indic scripts
	graphemeLinker       = 2 << 5 // what joins such consonants
	graphemeLinked       = 3 << 5 // what may stand between them
	graphemeConjunct     = 3 << 5
)

// graphemeNames are the names that unicode.txt uses.
var graphemeNames = map[string]grapheme{
	"prepend": graphemePrepend, "control": graphemeControl, "extend": graphemeExtend, "zwj": graphemeZWJ,
	"spacingmark": graphemeSpacingMark, "regional": graphemeRegional,
	"l": graphemeL, "v": graphemeV, "t": graphemeT,
	"pictographic": graphemePictographic,
	"consonant":    graphemeConsonant, "linker": graphemeLinker, "linked": graphemeLinked,
}

// graphemeOf returns the part of r, which is a valid code point.
func (t *Tables) graphemeOf(r rune) grapheme {
	if r >= hangulFirst && r <= hangulLast {
		if (r-hangulFirst)%tails == 0 {
			return graphemeLV
		}
		return graphemeLVT
	}
	return t.graphemes.Of(r)
}

// cluster returns the length in bytes of the grapheme cluster that text, which is not empty, starts
// with. The rules are those of the annex, under their numbers there.
func (t *Tables) ClusterLen(text []byte) int {
	r, n := utf8.DecodeRune(text)
	left := t.graphemeOf(r)
	regional := left&graphemeClass == graphemeRegional // the cluster has one flag letter so far
	pictographic := left&graphemePictographic != 0     // it is a pictograph and marks so far
	consonant := left&graphemeConjunct == graphemeConsonant
	linked := false // a linker stands after the consonant
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
