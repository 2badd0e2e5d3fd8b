package dataset

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Label is what a row has for its label: a name or number, or several for a
// classifier of several labels. Its meaning needs the classifier's labels.
type Label struct {
	present bool
	several bool // a list, even if it has one entry or none
	cell    bool // from a CSV: without types, and several labels may be in one value
	parts   []labelPart
}

// labelPart is one name or number.
type labelPart struct {
	text   string
	number bool   // a JSON number, or true or false as 1 or 0
	truth  string // "true" or "false", if it was that
}

// IsAbsent tells whether the row has no label. A list without entries is one.
func (l Label) IsAbsent() bool { return !l.present }

// String returns the label as the file has it.
func (l Label) String() string {
	parts := make([]string, len(l.parts))
	for i, p := range l.parts {
		parts[i] = p.String()
	}
	if l.several {
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return strings.Join(parts, "")
}

func (p labelPart) String() string {
	if p.number {
		return p.text
	}
	return strconv.Quote(p.text)
}

func labelFromCell(value string) Label {
	if strings.TrimSpace(value) == "" {
		return Label{}
	}
	return Label{present: true, cell: true, parts: []labelPart{{text: value}}}
}

// labelFromJSON reads a name, a number, true or false (1 and 0), or a list of
// them.
func labelFromJSON(value jsontext.Value) (Label, error) {
	l := Label{present: true}
	if value.Kind() != '[' {
		part, err := partFromJSON(value)
		l.parts = []labelPart{part}
		return l, err
	}
	l.several = true
	d := jsontext.NewDecoder(strings.NewReader(string(value)))
	if _, err := d.ReadToken(); err != nil {
		return l, errors.New("is not a valid list")
	}
	for d.PeekKind() != ']' {
		entry, err := d.ReadValue()
		if err != nil {
			return l, errors.New("is not a valid list")
		}
		part, err := partFromJSON(entry)
		if err != nil {
			return l, err
		}
		l.parts = append(l.parts, part)
	}
	return l, nil
}

func partFromJSON(value jsontext.Value) (labelPart, error) {
	switch value.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return labelPart{}, errors.New("is not a valid string")
		}
		return labelPart{text: string(text)}, nil
	case '0':
		return labelPart{text: string(value), number: true}, nil
	case 't':
		return labelPart{text: "1", number: true, truth: "true"}, nil
	case 'f':
		return labelPart{text: "0", number: true, truth: "false"}, nil
	}
	return labelPart{}, fmt.Errorf("is %s, want a label's name or number, or a list of them", kindName(value.Kind()))
}

// Index returns which of a classifier's labels it is, for one with a single label a
// text. A name counts before a number; 3, 3.0 and "3" are the number 3. Where labels
// have numbers as names that are not their own, such as the stars 1 to 5, a number in
// quotes or in a CSV is always a name, and one without quotes must not be both.
func (l Label) Index(labels []string) (int, error) {
	switch {
	case !l.present:
		return 0, errors.New("no label")
	case len(l.parts) != 1:
		return 0, fmt.Errorf("label %s has %d entries, the task has one label a text", l, len(l.parts))
	}
	return l.parts[0].index(labels)
}

func (p labelPart) index(labels []string) (int, error) {
	if p.truth != "" {
		if i := slices.IndexFunc(labels, func(name string) bool { return strings.EqualFold(name, p.truth) }); i >= 0 {
			return i, nil
		}
	}
	n, isNumber := wholeNumber(p.text)
	if p.number {
		if !isNumber || n >= int64(len(labels)) {
			return 0, fmt.Errorf("label %s is not a whole number from 0 to %d", p.text, len(labels)-1)
		}
		// A name that looks like another label's number would make the number
		// mean two things.
		if named := numberNamed(labels, p.text); named >= 0 && named != int(n) {
			return 0, fmt.Errorf("label %s is the number of %q and the name of label number %d; write the name in quotes", p.text, labels[n], named)
		}
		return int(n), nil
	}
	for _, name := range []string{p.text, strings.TrimSpace(p.text)} {
		if i := slices.Index(labels, name); i >= 0 {
			return i, nil
		}
	}
	if i := numberNamed(labels, p.text); i >= 0 { // 1.0 for the name 1
		return i, nil
	}
	if isNumber && n < int64(len(labels)) {
		if other := misnumbered(labels); other >= 0 {
			return 0, fmt.Errorf("label %s is not one of the task's, and it is hardly a number either: label number %d is called %q; write the labels' names", p, other, labels[other])
		}
		return int(n), nil
	}
	return 0, unknownLabel(p, labels)
}

// numberNamed returns which label's name is this number, in any notation; -1: none.
func numberNamed(labels []string, number string) int {
	want, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(labels, func(name string) bool {
		f, err := strconv.ParseFloat(name, 64)
		return err == nil && f == want
	})
}

// misnumbered returns the first label whose name is a number, but not its own; -1: none.
func misnumbered(labels []string) int {
	for i, name := range labels {
		if f, err := strconv.ParseFloat(name, 64); err == nil && f != float64(i) {
			return i
		}
	}
	return -1
}

// unknownLabel says which label was perhaps meant.
func unknownLabel(p labelPart, labels []string) error {
	for _, name := range labels {
		if strings.EqualFold(name, strings.TrimSpace(p.text)) {
			return fmt.Errorf("label %s is not one of the task's; did you mean %q?", p, name)
		}
	}
	if _, err := strconv.ParseFloat(strings.TrimSpace(p.text), 64); err == nil {
		return fmt.Errorf("label %s is neither one of the task's nor a whole number from 0 to %d", p, len(labels)-1)
	}
	have := labels
	more := ""
	if len(have) > 8 {
		have, more = have[:8], ", …"
	}
	return fmt.Errorf("label %s is not one of the task's: %s%s", p, strings.Join(have, ", "), more)
}

// wholeNumber parses 3, 3.0 and 3e0, from 0 on.
func wholeNumber(s string) (int64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 0 || f > math.MaxInt32 || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

// Indices returns, sorted, which of a classifier's labels a text has, for one
// with several labels a text. A list may name labels or number them; one with as
// many entries as there are labels, all of them 0 or 1, says of each label
// whether the text has it. The value of a CSV may also be such a list, or have
// |, ; or a comma between labels.
func (l Label) Indices(labels []string) ([]int, error) {
	parts := l.parts
	several := l.several
	if l.cell {
		var err error
		if parts, several, err = splitCell(l.parts[0].text, labels); err != nil {
			return nil, err
		}
	}
	if several {
		if indices, ok, err := flags(parts, len(labels)); ok || err != nil {
			return indices, err
		}
	}
	var indices []int
	for _, p := range parts {
		i, err := p.index(labels)
		if err != nil {
			return nil, err
		}
		if slices.Contains(indices, i) {
			return nil, fmt.Errorf("label %q occurs twice", labels[i])
		}
		indices = append(indices, i)
	}
	slices.Sort(indices)
	return indices, nil
}

// flags reads a list of a 0 or 1 for each label.
func flags(parts []labelPart, labels int) (indices []int, ok bool, err error) {
	if len(parts) != labels {
		return nil, false, nil
	}
	counts := [2]int{}
	exact := true // without a point, a number could be a label's too
	for i, p := range parts {
		n, isNumber := wholeNumber(p.text)
		if !p.number || !isNumber || n > 1 {
			return nil, false, nil
		}
		exact = exact && !strings.Contains(p.text, ".")
		counts[n]++
		if n == 1 {
			indices = append(indices, i)
		}
	}
	if exact && labels <= 2 && counts[0] <= 1 && counts[1] <= 1 {
		return nil, false, fmt.Errorf("a list of %d numbers for %d labels can mean two things; write the labels' names", labels, labels)
	}
	return indices, true, nil
}

// splitCell splits the labels in a CSV's value.
func splitCell(value string, labels []string) (parts []labelPart, several bool, err error) {
	value = strings.TrimSpace(value)
	if slices.Contains(labels, value) || value == "" {
		return []labelPart{{text: value}}[:min(1, len(value))], false, nil
	}
	if strings.HasPrefix(value, "[") {
		l, err := labelFromJSON(jsontext.Value(value))
		if err != nil { // as Python prints a list
			l, err = labelFromJSON(jsontext.Value(strings.ReplaceAll(value, "'", `"`)))
		}
		if err != nil {
			return nil, false, fmt.Errorf("label %q %w", value, err)
		}
		return l.parts, true, nil
	}
	for _, separator := range []string{"|", ";", ","} {
		if strings.Contains(value, separator) {
			for part := range strings.SplitSeq(value, separator) {
				if part = strings.TrimSpace(part); part != "" {
					parts = append(parts, labelPart{text: part})
				}
			}
			return flagCell(parts, labels), true, nil
		}
	}
	return []labelPart{{text: value}}, false, nil
}

// flagCell returns the parts of a CSV's value as numbers if they are a 0 or 1 for each
// label, and no label has a number for a name.
func flagCell(parts []labelPart, labels []string) []labelPart {
	if len(parts) != len(labels) {
		return parts
	}
	numbers := slices.Clone(parts)
	for i, p := range parts {
		if n, ok := wholeNumber(p.text); !ok || n > 1 || numberNamed(labels, p.text) >= 0 {
			return parts
		}
		numbers[i].number = true
	}
	return numbers
}

// Number returns the value of a regression's label.
func (l Label) Number() (float64, error) {
	if !l.present || len(l.parts) != 1 {
		return 0, fmt.Errorf("label %s is not one number", l)
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(l.parts[0].text), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, fmt.Errorf("label %s is not a number", l)
	}
	return f, nil
}

func quoteJSON(s string) string {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return "null"
	}
	return string(b)
}
