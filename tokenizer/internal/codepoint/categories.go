package codepoint

import (
	"slices"
	"strings"
)

// Categories is a set of general categories of Unicode, one bit each.
type Categories uint32

// categoryNames are the general categories. The first is that of all code points which unicode.txt does
// not list.
var categoryNames = []string{
	"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No",
	"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co",
}

// CategoriesNamed returns the category of that name, such as "Lu", or all categories whose names start
// with the letter, such as "L". It returns false if there are none.
func CategoriesNamed(name string) (Categories, bool) {
	var set Categories
	for i, category := range categoryNames {
		if category == name || len(name) == 1 && strings.HasPrefix(category, name) {
			set |= 1 << i
		}
	}
	return set, set != 0
}

// Categories returns the general category of r, which must be a valid code point, as a set of one.
func (t *Tables) Categories(r rune) Categories { return 1 << t.categories.of(r) }

// Script returns the number of the script of r, which must be a valid code point, 0 if it has none.
// Hiragana, Katakana and Han are one script.
func (t *Tables) Script(r rune) uint8 { return t.scripts.of(r) }

// categoryIndex returns the index of a name in categoryNames, -1 if there is none.
func categoryIndex(name string) int { return slices.Index(categoryNames, name) }
