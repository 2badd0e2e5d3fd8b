package tokenizer

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
type property uint16

const (
	space property = 1 << iota
	control
	cjk
	punctuation
	nonspacing
	mark
	word
	numeric
	letter
	number
	reordered    // combining class is not 0
	decomposed   // NFD changes it
	compatible   // NFKD changes it otherwise than NFD
	hasLowercase // lower case is something else
)

// A unicodeTable answers questions about code points.
type unicodeTable struct {
	properties twoStages[property]
	classes    twoStages[uint8]
	graphemes  twoStages[grapheme]

	nfd, nfkd      twoStages[uint16] // indices in decompositions
	decompositions [][]classed
	lower          twoStages[uint16] // indices in lowercase
	lowercase      []string
	composites     map[[2]rune]rune
}

// unicodeTables is read on first use; the text is part of the program, so a fault in it is a fault
// of the program.
var unicodeTables = sync.OnceValue(func() *unicodeTable {
	t, err := readUnicode(unicodeText)
	if err != nil {
		panic(err)
	}
	return t
})

// of returns the properties of r, which is a valid code point.
func (t *unicodeTable) of(r rune) property { return t.properties.of(r) }

// appendLower appends the lower case of r, whose properties are p. Like the reference it looks at
// one code point at a time: a final sigma becomes σ, İ becomes i and a combining dot.
func (t *unicodeTable) appendLower(dst []byte, r rune, p property) []byte {
	if p&hasLowercase != 0 {
		return append(dst, t.lowercase[t.lower.of(r)]...)
	}
	return utf8.AppendRune(dst, r)
}

const (
	blockSize  = 256
	codePoints = utf8.MaxRune + 1
)

// A twoStages maps code points to values. Most blocks of 256 code points are alike; each is there
// once.
type twoStages[V comparable] struct {
	block  [codePoints / blockSize]uint16 // which of values a block uses
	values [][blockSize]V
}

// of returns the value of r, which is a valid code point.
func (t *twoStages[V]) of(r rune) V {
	k := uint32(r) / blockSize % uint32(len(t.block))
	return t.values[t.block[k]][uint32(r)%blockSize]
}

// fill makes t the table of flat, which has a value for every code point.
func (t *twoStages[V]) fill(flat []V) {
	seen := make(map[[blockSize]V]uint16)
	for i := range t.block {
		values := [blockSize]V(flat[i*blockSize:])
		k, ok := seen[values]
		if !ok {
			k = uint16(len(t.values))
			seen[values] = k
			t.values = append(t.values, values)
		}
		t.block[i] = k
	}
}

// A unicodeReader collects what unicodeText says, by code point.
type unicodeReader struct {
	table            *unicodeTable
	properties       []property
	classes          []uint8
	graphemes        []grapheme
	nfd, nfkd, lower []uint16
}

func readUnicode(text string) (*unicodeTable, error) {
	t := &unicodeTable{composites: make(map[[2]rune]rune)}
	u := unicodeReader{
		table:      t,
		properties: make([]property, codePoints),
		classes:    make([]uint8, codePoints),
		graphemes:  make([]grapheme, codePoints),
		nfd:        make([]uint16, codePoints),
		nfkd:       make([]uint16, codePoints),
		lower:      make([]uint16, codePoints),
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if err := u.read(fields[0], fields[1:]); err != nil {
			return nil, fmt.Errorf("tokenizer: unicode.txt: line %d: %w", number, err)
		}
	}
	for r := rune(hangulFirst); r <= hangulLast; r++ {
		u.properties[r] |= decomposed
	}
	for _, d := range t.decompositions {
		for i := range d {
			d[i].class = u.classes[d[i].r]
		}
	}
	t.properties.fill(u.properties)
	t.classes.fill(u.classes)
	t.graphemes.fill(u.graphemes)
	t.nfd.fill(u.nfd)
	t.nfkd.fill(u.nfkd)
	t.lower.fill(u.lower)
	return t, nil
}

// read reads one line of unicodeText.
func (u *unicodeReader) read(name string, fields []string) error {
	sets := map[string]property{
		"space": space, "control": control, "cjk": cjk, "punctuation": punctuation,
		"nonspacing": nonspacing, "mark": mark, "word": word, "numeric": numeric,
		"letter": letter, "number": number,
	}
	if p, ok := sets[name]; ok {
		return eachRange(fields, func(r rune) { u.properties[r] |= p })
	}
	if name == "class" {
		if len(fields) == 0 {
			return errors.New("class without a number")
		}
		class, err := strconv.ParseUint(fields[0], 10, 8)
		if err != nil {
			return err
		}
		return eachRange(fields[1:], func(r rune) {
			u.properties[r] |= reordered
			u.classes[r] = uint8(class)
		})
	}
	if name == "grapheme" {
		if len(fields) == 0 || graphemeNames[fields[0]] == 0 {
			return fmt.Errorf("grapheme of an unknown kind")
		}
		return eachRange(fields[1:], func(r rune) { u.graphemes[r] |= graphemeNames[fields[0]] })
	}
	runes := make([]rune, len(fields))
	for i, f := range fields {
		r, err := strconv.ParseUint(f, 16, 32)
		if err != nil {
			return err
		}
		if r > utf8.MaxRune {
			return fmt.Errorf("%X is no code point", r)
		}
		runes[i] = rune(r)
	}
	if len(runes) < 2 {
		return fmt.Errorf("%s: too few code points", name)
	}
	from, to := runes[0], runes[1:]
	switch {
	case name == "nfd":
		u.properties[from] |= decomposed
		u.nfd[from] = u.decomposition(to)
	case name == "nfkd":
		u.properties[from] |= compatible
		u.nfkd[from] = u.decomposition(to)
	case name == "lower":
		u.properties[from] |= hasLowercase
		u.lower[from] = uint16(len(u.table.lowercase))
		u.table.lowercase = append(u.table.lowercase, string(to))
	case name == "compose" && len(to) == 2:
		u.table.composites[[2]rune{from, to[0]}] = to[1]
	default:
		return fmt.Errorf("%s with %d code points", name, len(runes))
	}
	return nil
}

// decomposition returns the index of a new decomposition.
func (u *unicodeReader) decomposition(to []rune) uint16 {
	d := make([]classed, len(to))
	for i, r := range to {
		d[i].r = r
	}
	t := u.table
	t.decompositions = append(t.decompositions, d)
	return uint16(len(t.decompositions) - 1)
}

// eachRange calls do for every code point of ranges such as "41" and "30-39".
func eachRange(ranges []string, do func(rune)) error {
	for _, f := range ranges {
		low, high, isRange := strings.Cut(f, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.ParseUint(low, 16, 32)
		if err != nil {
			return err
		}
		to, err := strconv.ParseUint(high, 16, 32)
		if err != nil {
			return err
		}
		if from > to || to > utf8.MaxRune {
			return fmt.Errorf("%s is no range of code points", f)
		}
		for r := rune(from); r <= rune(to); r++ {
			do(r)
		}
	}
	return nil
}
