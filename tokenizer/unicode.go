package tokenizer

import (
	_ "embed"
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
//	class N      canonical combining class N; classes that are not listed are 0
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
	reordered    // combining class is not 0
	decomposed   // NFD changes it
	compatible   // NFKD changes it otherwise than NFD
	hasLowercase // lower case is something else
)

const (
	blockSize = 256
	blocks    = (utf8.MaxRune + 1) / blockSize
)

// A unicodeTable answers questions about code points: properties in two stages (most blocks of 256
// code points are alike and stored once), what they map to in maps.
type unicodeTable struct {
	block  [blocks]uint16 // which of values a block of code points uses
	values [][blockSize]property

	nfd, nfkd  map[rune][]rune
	lower      map[rune]string
	class      map[rune]uint8
	composites map[[2]rune]rune
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
func (t *unicodeTable) of(r rune) property {
	return t.values[t.block[uint32(r)/blockSize%blocks]][uint32(r)%blockSize]
}

func readUnicode(text string) (*unicodeTable, error) {
	t := &unicodeTable{
		nfd:        make(map[rune][]rune),
		nfkd:       make(map[rune][]rune),
		lower:      make(map[rune]string),
		class:      make(map[rune]uint8),
		composites: make(map[[2]rune]rune),
	}
	sets := map[string]property{
		"space": space, "control": control, "cjk": cjk, "punctuation": punctuation,
		"nonspacing": nonspacing, "mark": mark, "word": word, "numeric": numeric,
	}
	flat := make([]property, utf8.MaxRune+1)
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if err := t.readLine(fields, sets, flat); err != nil {
			return nil, fmt.Errorf("tokenizer: unicode.txt: line %d: %w", number, err)
		}
	}
	for r := rune(hangulFirst); r <= hangulLast; r++ {
		flat[r] |= decomposed
	}
	seen := make(map[[blockSize]property]uint16)
	for i := range t.block {
		values := [blockSize]property(flat[i*blockSize:])
		k, ok := seen[values]
		if !ok {
			k = uint16(len(t.values))
			seen[values] = k
			t.values = append(t.values, values)
		}
		t.block[i] = k
	}
	return t, nil
}

// readLine reads one line of unicodeText into t and flat, which has the properties by code point.
func (t *unicodeTable) readLine(fields []string, sets map[string]property, flat []property) error {
	name, fields := fields[0], fields[1:]
	if p, ok := sets[name]; ok {
		return eachRange(fields, func(r rune) { flat[r] |= p })
	}
	if name == "class" {
		if len(fields) == 0 {
			return fmt.Errorf("class without a number")
		}
		class, err := strconv.ParseUint(fields[0], 10, 8)
		if err != nil {
			return err
		}
		return eachRange(fields[1:], func(r rune) {
			flat[r] |= reordered
			t.class[r] = uint8(class)
		})
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
		flat[from] |= decomposed
		t.nfd[from] = to
	case name == "nfkd":
		flat[from] |= compatible
		t.nfkd[from] = to
	case name == "lower":
		flat[from] |= hasLowercase
		t.lower[from] = string(to)
	case name == "compose" && len(to) == 2:
		t.composites[[2]rune{from, to[0]}] = to[1]
	default:
		return fmt.Errorf("%s with %d code points", name, len(runes))
	}
	return nil
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

// appendLower appends the lower case of r, whose properties are p. Like the reference it looks at
// one code point at a time: a final sigma becomes σ, İ becomes i and a combining dot.
func (t *unicodeTable) appendLower(dst []byte, r rune, p property) []byte {
	if p&hasLowercase != 0 {
		return append(dst, t.lower[r]...)
	}
	return utf8.AppendRune(dst, r)
}
