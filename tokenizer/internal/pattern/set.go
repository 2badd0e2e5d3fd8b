package pattern

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
)

// A set is a set of code points: those of its ranges, categories, properties and nested sets, or all
// others.
type set struct {
	negated    bool
	ranges     [][2]rune
	categories codepoint.Categories
	properties codepoint.Property
	nested     []*set

	ascii   [2]uint64 // one bit for each ASCII code point, set by seal
	unicode *codepoint.Tables
}

// seal fills the table of ASCII code points. The set does not change after that.
func (s *set) seal() *set {
	s.unicode = codepoint.Load()
	for _, n := range s.nested {
		n.seal()
	}
	for r := range rune(utf8.RuneSelf) {
		if s.contains(r) {
			s.ascii[r/64] |= 1 << (r % 64)
		}
	}
	return s
}

// has tells whether r is in a sealed set.
func (s *set) has(r rune) bool {
	if r < utf8.RuneSelf {
		return s.ascii[r/64]&(1<<(r%64)) != 0
	}
	return s.contains(r)
}

func (s *set) contains(r rune) bool {
	return s.listed(r) != s.negated
}

func (s *set) listed(r rune) bool {
	for _, c := range s.ranges {
		if r >= c[0] && r <= c[1] {
			return true
		}
	}
	return s.categories != 0 && s.unicode.Categories(r)&s.categories != 0 ||
		s.properties != 0 && s.unicode.Properties(r)&s.properties != 0 ||
		slices.ContainsFunc(s.nested, func(n *set) bool { return n.contains(r) })
}

// single returns the set of one code point.
func single(r rune) *set { return &set{ranges: [][2]rune{{r, r}}} }

// classEscape returns the set that a letter after a backslash stands for, nil if there is none. A capital
// letter stands for all others.
func classEscape(letter rune) *set {
	var s set
	switch letter | 0x20 {
	case 's':
		s.properties = codepoint.Space
	case 'w':
		s.properties = codepoint.RegexpWord
	case 'd':
		s.categories, _ = codepoint.CategoriesNamed("Nd")
	case 'h':
		s.ranges = [][2]rune{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}
	default:
		return nil
	}
	s.negated = letter&0x20 == 0
	return &s
}

// inBrackets returns the set of a class escape inside brackets. There Oniguruma does not count superscript
// digits and fractions of Latin-1 as word characters.
func inBrackets(letter rune) *set {
	if letter|0x20 != 'w' {
		return classEscape(letter)
	}
	not := &set{nested: []*set{classEscape('W')}, ranges: [][2]rune{{'²', '³'}, {'¹', '¹'}, {'¼', '¾'}}}
	not.negated = letter == 'w'
	return not
}

// longNames are the long names of general categories, without the characters that Oniguruma ignores.
var longNames = map[string]string{
	"letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
	"mark": "M", "combiningmark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me",
	"number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
	"punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe",
	"initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
	"symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
	"separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
	"other": "C", "control": "Cc", "format": "Cf", "privateuse": "Co", "unassigned": "Cn",
}

// categorySet returns the set of \p{name}, or of \P{name} if negated.
func categorySet(name string, negated bool) (*set, error) {
	plain, caret := strings.CutPrefix(name, "^")
	plain = strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(plain))
	short := longNames[plain]
	if short == "" && plain != "" {
		short = strings.ToUpper(plain[:1]) + plain[1:]
	}
	categories, ok := codepoint.CategoriesNamed(short)
	if !ok {
		return nil, fmt.Errorf(`the property \p{%s} is not supported; general categories such as \p{L} and \p{Lu} are`, name)
	}
	return &set{categories: categories, negated: negated != caret}, nil
}

// fold adds the other case of ASCII letters to a set. The long s and the Kelvin sign are other cases of s
// and k. It returns an error for a set whose other cases it does not know.
func (s *set) fold() (*set, error) {
	numbers, _ := codepoint.CategoriesNamed("N")
	if s.categories&^numbers != 0 || len(s.nested) > 0 || s.properties&^codepoint.Space != 0 {
		return nil, fmt.Errorf(`(?i) with a property or a nested set is not supported`)
	}
	out := *s
	for _, c := range s.ranges {
		if c[1] >= utf8.RuneSelf {
			return nil, fmt.Errorf("(?i) is supported for ASCII characters only, not %q", c[1])
		}
		for r := c[0]; r <= c[1]; r++ {
			if lower := r | 0x20; lower >= 'a' && lower <= 'z' {
				out.ranges = append(out.ranges, [2]rune{r ^ 0x20, r ^ 0x20})
				switch lower {
				case 's':
					out.ranges = append(out.ranges, [2]rune{'ſ', 'ſ'})
				case 'k':
					out.ranges = append(out.ranges, [2]rune{'K', 'K'})
				}
			}
		}
	}
	return &out, nil
}
