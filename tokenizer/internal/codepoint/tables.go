package codepoint

import (
	_ "embed"
	"sync"
	"unicode/utf8"
)

// unicodeText holds the properties of every code point as the reference has them, which is not as
// any single version of Unicode has them: its categories are those of Unicode 8, its normal forms
// those of Unicode 9, white space, case and \w those of a recent one. Go's own tables follow the Go
// release, so ids would change with the compiler. testdata/make_unicode.py reads the properties off
// the reference itself and writes the file.
//
// Each line is a name and code points in hexadecimal. A set's line lists ranges:
//
//	space        white space, where words end
//	control      what BertNormalizer's clean_text removes
//	cjk          what BertNormalizer's handle_chinese_chars sets apart
//	punctuation  what BertPreTokenizer and Punctuation isolate
//	nonspacing   what BertNormalizer's strip_accents removes
//	mark         what StripAccents removes
//	word         \w
//	numeric      what Digits takes for a digit
//	letter       \p{L} of regular expressions
//	number       \p{N} of regular expressions
//	class N      canonical combining class N; classes that are not listed are 0
//	grapheme X   what has part X in grapheme clusters (graphemes.go)
//
// A map's line gives one code point and what it becomes:
//
//	nfd, nfkd    full decomposition (nfkd only where it differs from nfd); Hangul is computed
//	lower        lower case, without context
//	compose      two code points and the one they compose to
//
//go:embed unicode.txt
var unicodeText string

// A property is a set of facts about a code point, one bit each.
type Property uint16

const (
	Space Property = 1 << iota
	Control
	CJK
	Punctuation
	Nonspacing
	Mark
	Word
	Numeric
	Letter
	Number
	Reordered    // combining class is not 0
	Decomposed   // NFD changes it
	compatible   // NFKD changes it otherwise than NFD
	HasLowercase // lower case is something else
)

// A unicodeTable answers questions about code points.
type Tables struct {
	properties twoStageTable[Property]
	classes    twoStageTable[uint8]
	graphemes  twoStageTable[grapheme]

	nfd, nfkd      twoStageTable[uint16] // indices in decompositions
	decompositions [][]ClassedRune
	lower          twoStageTable[uint16] // indices in lowercase
	lowercase      []string
	composites     map[[2]rune]rune
}

// unicodeTables is read on first use; the text is part of the program, so a fault in it is a fault
// of the program.
var Load = sync.OnceValue(func() *Tables {
	t, err := read(unicodeText)
	if err != nil {
		panic(err)
	}
	return t
})

// of returns the properties of r, which is a valid code point.
func (t *Tables) Properties(r rune) Property { return t.properties.Of(r) }

// appendLower appends the lower case of r, whose properties are p. Like the reference it looks at
// one code point at a time: a final sigma becomes σ, İ becomes i and a combining dot.
func (t *Tables) AppendLower(dst []byte, r rune, p Property) []byte {
	if p&HasLowercase != 0 {
		return append(dst, t.lowercase[t.lower.Of(r)]...)
	}
	return utf8.AppendRune(dst, r)
}

const (
	blockSize  = 256
	codePoints = utf8.MaxRune + 1
)

// A twoStages maps code points to values. Most blocks of 256 code points are alike; each is there
// once.
type twoStageTable[V comparable] struct {
	block  [codePoints / blockSize]uint16 // which of values a block uses
	values [][blockSize]V
}

// of returns the value of r, which is a valid code point.
func (t *twoStageTable[V]) Of(r rune) V {
	k := uint32(r) / blockSize % uint32(len(t.block))
	return t.values[t.block[k]][uint32(r)%blockSize]
}

// spacesAfter returns how many bytes of white space text starts with.
func (t *Tables) LeadingSpace(text []byte) int {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		if t.Properties(r)&Space == 0 {
			break
		}
		n += size
	}
	return n
}

// spacesBefore returns how many bytes of white space text ends with.
func (t *Tables) TrailingSpace(text []byte) int {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeLastRune(text[:len(text)-n])
		if t.Properties(r)&Space == 0 {
			break
		}
		n += size
	}
	return n
}
