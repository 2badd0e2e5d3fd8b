package codepoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fill makes t the table of flat, which has one value for each code point.
func (t *twoStageTable[V]) fill(flat []V) {
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

// A reader collects the properties of unicodeText by code point.
type reader struct {
	table            *Tables
	properties       []Property
	classes          []uint8
	graphemes        []grapheme
	categories       []uint8
	scripts          []uint8
	nfd, nfkd, lower []uint16
}

// read returns the tables of text, which has the format of unicodeText.
func read(text string) (*Tables, error) {
	t := &Tables{composites: make(map[[2]rune]rune)}
	u := reader{
		table:      t,
		properties: make([]Property, codePoints),
		classes:    make([]uint8, codePoints),
		graphemes:  make([]grapheme, codePoints),
		categories: make([]uint8, codePoints),
		scripts:    make([]uint8, codePoints),
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
		if err := u.readLine(fields[0], fields[1:]); err != nil {
			return nil, fmt.Errorf("codepoint: unicode.txt: line %d: %w", number, err)
		}
	}
	for r := rune(hangulFirst); r <= hangulLast; r++ {
		u.properties[r] |= Decomposed
	}
	for _, d := range t.decompositions {
		for i := range d {
			d[i].Class = u.classes[d[i].Rune]
		}
	}
	t.properties.fill(u.properties)
	t.classes.fill(u.classes)
	t.graphemes.fill(u.graphemes)
	t.categories.fill(u.categories)
	t.scripts.fill(u.scripts)
	t.nfd.fill(u.nfd)
	t.nfkd.fill(u.nfkd)
	t.lower.fill(u.lower)
	return t, nil
}

// readLine reads one line of unicodeText.
func (u *reader) readLine(name string, fields []string) error {
	sets := map[string]Property{
		"space": Space, "control": Control, "cjk": CJK, "punctuation": Punctuation,
		"nonspacing": Nonspacing, "mark": Mark, "word": Word, "numeric": Numeric,
		"letter": Letter, "number": Number, "onigword": RegexpWord,
	}
	if p, ok := sets[name]; ok {
		return eachRange(fields, func(r rune) { u.properties[r] |= p })
	}
	if name == "class" {
		if len(fields) == 0 {
			return errors.New("a class needs a number")
		}
		class, err := strconv.ParseUint(fields[0], 10, 8)
		if err != nil {
			return err
		}
		return eachRange(fields[1:], func(r rune) {
			u.properties[r] |= Reordered
			u.classes[r] = uint8(class)
		})
	}
	if name == "category" {
		if len(fields) == 0 || categoryIndex(fields[0]) < 0 {
			return errors.New("unknown category")
		}
		return eachRange(fields[1:], func(r rune) { u.categories[r] = uint8(categoryIndex(fields[0])) })
	}
	if name == "script" {
		if len(fields) == 0 {
			return errors.New("a script needs a number")
		}
		script, err := strconv.ParseUint(fields[0], 10, 8)
		if err != nil {
			return err
		}
		return eachRange(fields[1:], func(r rune) { u.scripts[r] = uint8(script) })
	}
	if name == "grapheme" {
		if len(fields) == 0 || graphemeNames[fields[0]] == 0 {
			return errors.New("unknown grapheme class")
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
			return fmt.Errorf("%X is not a code point", r)
		}
		runes[i] = rune(r)
	}
	if len(runes) < 2 {
		return fmt.Errorf("%s needs at least 2 code points", name)
	}
	from, to := runes[0], runes[1:]
	switch {
	case name == "nfd":
		u.properties[from] |= Decomposed
		u.nfd[from] = u.decomposition(to)
	case name == "nfkd":
		u.properties[from] |= compatible
		u.nfkd[from] = u.decomposition(to)
	case name == "lower":
		u.properties[from] |= HasLowercase
		u.lower[from] = uint16(len(u.table.lowercase))
		u.table.lowercase = append(u.table.lowercase, string(to))
	case name == "compose" && len(to) == 2:
		u.table.composites[[2]rune{from, to[0]}] = to[1]
	default:
		return fmt.Errorf("unknown property %s with %d code points", name, len(runes))
	}
	return nil
}

// decomposition adds a decomposition and returns its index.
func (u *reader) decomposition(to []rune) uint16 {
	d := make([]ClassedRune, len(to))
	for i, r := range to {
		d[i].Rune = r
	}
	t := u.table
	t.decompositions = append(t.decompositions, d)
	return uint16(len(t.decompositions) - 1)
}

// eachRange calls do for each code point of ranges such as "41" and "30-39".
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
			return fmt.Errorf("%s is not a range of code points", f)
		}
		for r := rune(from); r <= rune(to); r++ {
			do(r)
		}
	}
	return nil
}
