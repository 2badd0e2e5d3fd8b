// Package codepoint knows the properties of Unicode code points as the reference uses them: character
// classes, lower case, normal forms and grapheme clusters.
//
// The reference is Hugging Face's tokenizers 0.22.2. It does not follow a single version of Unicode: its
// categories are those of Unicode 8, its normal forms those of Unicode 9, and white space, case and \w
// those of a recent version. The tables of Go's standard library change with the Go release, so ids would
// change with the compiler. Therefore unicode.txt holds the properties; testdata/make_unicode.py reads
// them from the reference itself.
package codepoint

import (
	_ "embed"
	"sync"
	"unicode/utf8"
)

// unicodeText holds the properties of all code points. Each line is a name and code points in
// hexadecimal. A line of a set lists ranges:
//
//	space        white space
//	control      removed by BertNormalizer's clean_text
//	cjk          surrounded by spaces by BertNormalizer's handle_chinese_chars
//	punctuation  isolated by BertPreTokenizer and Punctuation
//	nonspacing   removed by BertNormalizer's strip_accents
//	mark         removed by StripAccents
//	word         \w
//	numeric      digits for the pre-tokenizer Digits
//	letter       \p{L} of regular expressions
//	number       \p{N} of regular expressions
//	class N      canonical combining class N; the class of all others is 0
//	onigword     \w of regular expressions
//	category X   general category X of regular expressions; all others are unassigned, Cn
//	script N     a script of the pre-tokenizer UnicodeScripts; all others have no script
//	grapheme X   class X in grapheme clusters (graphemes.go)
//
// A line of a map lists a code point and its result:
//
//	nfd, nfkd    full decomposition (nfkd only where it differs from nfd); Hangul is computed
//	lower        lower case, without context
//	compose      two code points and the code point that they compose to
//
//go:embed unicode.txt
var unicodeText string

// A Property is a set of properties of a code point, one bit each. See unicodeText for the first ten and
// for RegexpWord.
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
	Reordered    // its canonical combining class is not 0
	Decomposed   // NFD changes it
	compatible   // NFKD changes it differently from NFD
	HasLowercase // its lower case differs from it
	RegexpWord   // onigword
)

// Tables hold the properties of all code points. They are immutable.
type Tables struct {
	properties twoStageTable[Property]
	classes    twoStageTable[uint8]
	graphemes  twoStageTable[grapheme]
	categories twoStageTable[uint8] // indices in categoryNames
	scripts    twoStageTable[uint8]

	nfd, nfkd      twoStageTable[uint16] // indices in decompositions
	decompositions [][]ClassedRune
	lower          twoStageTable[uint16] // indices in lowercase
	lowercase      []string
	composites     map[[2]rune]rune
}

// Load returns the tables. The first call reads them from unicodeText. It panics if that is invalid,
// because the text is part of the program.
var Load = sync.OnceValue(func() *Tables {
	t, err := read(unicodeText)
	if err != nil {
		panic(err)
	}
	return t
})

// Properties returns the properties of r, which must be a valid code point.
func (t *Tables) Properties(r rune) Property { return t.properties.of(r) }

// AppendLower appends the lower case of r, whose properties are p. Like the reference, it looks at one
// code point at a time: a final Σ becomes σ, İ becomes i and a combining dot.
func (t *Tables) AppendLower(dst []byte, r rune, p Property) []byte {
	if p&HasLowercase != 0 {
		return append(dst, t.lowercase[t.lower.of(r)]...)
	}
	return utf8.AppendRune(dst, r)
}

const (
	blockSize  = 256
	codePoints = utf8.MaxRune + 1
)

// A twoStageTable maps code points to values. Many blocks of 256 code points are equal; the table stores
// each distinct block once.
type twoStageTable[V comparable] struct {
	block  [codePoints / blockSize]uint16 // index in values of each block
	values [][blockSize]V
}

// of returns the value of r, which must be a valid code point.
func (t *twoStageTable[V]) of(r rune) V {
	k := uint32(r) / blockSize % uint32(len(t.block))
	return t.values[t.block[k]][uint32(r)%blockSize]
}

// LeadingSpace returns the number of bytes of white space at the start of text.
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

// TrailingSpace returns the number of bytes of white space at the end of text.
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
