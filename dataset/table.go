package dataset

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// delimiters are the characters that may stand between the values of a CSV.
var delimiters = []rune{',', ';', '\t', '|'}

// table reads CSV and TSV.
type table struct {
	csv     *csv.Reader
	bound   *boundedReader
	names   []string // of the first row; nil if the file has none
	width   int
	first   []string // the first row, if it is data
	columns Columns
	options Options
	text    int // columns by number from 0; -1: not there
	pair    int
	label   int
	id      int
	weight  int
}

// newTable reads the first row. named has the columns' names as they were given,
// empty for a default.
func newTable(b *bufio.Reader, format Format, named Columns, o Options) (*table, error) {
	columns := named.withDefaults()
	t := &table{bound: &boundedReader{in: b}, columns: columns, options: o, label: -1, weight: -1}
	delimiter := '\t'
	if format == CSV {
		start, _ := b.Peek(4096)
		line, _, _ := strings.Cut(string(start), "\n")
		delimiter = findDelimiter(line, columns.Text)
	}
	t.csv = csv.NewReader(t.bound)
	t.csv.Comma = delimiter
	t.csv.FieldsPerRecord = -1 // checked here, with a better message
	t.csv.ReuseRecord = true
	t.bound.reset()
	first, err := t.csv.Read()
	if err == io.EOF {
		t.text, t.pair, t.id = -1, -1, -1
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", t.explain(err))
	}
	first = slices.Clone(first)
	t.width = len(first)
	for _, name := range first {
		if strings.ContainsAny(name, "\r\x00") {
			return nil, fmt.Errorf("line 1: the value %q has a carriage return or NUL byte; save the file as UTF-8 with the line ends of Unix or Windows", name)
		}
	}
	if t.findColumns(first) {
		t.names = first
		return t, t.checkNames(named)
	}
	// Columns by number need no names.
	if t.findNumbered() {
		t.first = first
		return t, t.checkNamed(named)
	}
	return nil, fmt.Errorf("line 1: %w, or read the lines as texts with --format text", missingColumn(columns.Text, "column", first))
}

// checkNames refuses a column that is there twice, and what was asked for and is
// not there.
func (t *table) checkNames(named Columns) error {
	for _, c := range t.parts() {
		if *c.index < 0 {
			continue
		}
		for i, name := range t.names {
			if i != *c.index && name == t.names[*c.index] {
				return fmt.Errorf("line 1: there are two columns %q; rename one", name)
			}
		}
	}
	return t.checkNamed(named)
}

// checkNamed refuses a column that was asked for and is not there.
func (t *table) checkNamed(named Columns) error {
	for _, c := range []struct {
		name, flag string
		index      int
	}{{named.Pair, "--text-pair-column", t.pair}, {named.Label, "--label-column", t.label}, {named.ID, "--id-column", t.id}, {named.Weight, "--weight-column", t.weight}} {
		if c.name == "" || c.index >= 0 {
			continue
		}
		if t.names == nil {
			return fmt.Errorf("line 1: no column %s, which %s names; there are %d, which count from 1", c.name, c.flag, t.width)
		}
		return fmt.Errorf("line 1: no column %q, which %s names; there are columns %s", c.name, c.flag, listNames(t.names))
	}
	return nil
}

// listNames lists names for a message, sorted.
func listNames(names []string) string {
	names = slices.Sorted(slices.Values(names))
	if len(names) > 20 {
		names = append(names[:20:20], "…")
	}
	return strings.Join(names, ", ")
}

// missingColumn says that no text was found, and how to name it.
func missingColumn(want, what string, have []string) error {
	if len(have) == 0 {
		return fmt.Errorf("no %q", want)
	}
	return fmt.Errorf("no %q; there are %s %s: name the %s of the texts with --text-column", want, what+"s", listNames(have), what)
}

// findDelimiter returns the delimiter with which a first line has the column of
// the texts, or else the one that occurs most.
func findDelimiter(line, text string) rune {
	best, most := ',', 0
	for _, d := range delimiters {
		names := strings.Split(strings.TrimRight(line, "\r"), string(d))
		for i := range names {
			names[i] = strings.Trim(names[i], `" `)
		}
		if len(names) > 1 && columnIndex(names, text) >= 0 {
			return d
		}
		if len(names) > most+1 {
			best, most = d, len(names)-1
		}
	}
	return best
}

// columnIndex finds a column by its name: exactly, or else in other case.
func columnIndex(names []string, name string) int {
	if i := slices.Index(names, name); i >= 0 {
		return i
	}
	return slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(strings.TrimSpace(n), name) })
}

// findColumns finds the columns in a first row of names. It tells whether the
// texts' is there.
func (t *table) findColumns(names []string) bool {
	for _, c := range t.parts() {
		*c.index = columnIndex(names, c.name)
	}
	return t.text >= 0
}

// findNumbered takes names of columns for numbers from 1.
func (t *table) findNumbered() bool {
	for _, c := range t.parts() {
		*c.index = -1
		if n, err := strconv.Atoi(c.name); err == nil && n >= 1 && n <= t.width {
			*c.index = n - 1
		}
	}
	return t.text >= 0
}

type columnPart struct {
	use   string
	name  string
	index *int
}

func (t *table) parts() []columnPart {
	parts := []columnPart{{"text", t.columns.Text, &t.text}, {"second text", t.columns.Pair, &t.pair}, {"id", t.columns.ID, &t.id}}
	if t.options.Labelled {
		parts = append(parts, columnPart{"label", t.columns.Label, &t.label})
	}
	if t.options.Weighted {
		parts = append(parts, columnPart{"weight", t.columns.Weight, &t.weight})
	}
	return parts
}

func (t *table) describe() string {
	if t.width == 0 {
		return "an empty file"
	}
	var uses []string
	for _, c := range t.parts() {
		if *c.index < 0 {
			continue
		}
		if t.names != nil {
			uses = append(uses, fmt.Sprintf("%s in column %q", c.use, t.names[*c.index]))
		} else {
			uses = append(uses, fmt.Sprintf("%s in column %d", c.use, *c.index+1))
		}
	}
	first := "names in line 1"
	if t.names == nil {
		first = "no line of names"
	}
	return fmt.Sprintf("CSV with %s between values, %s: %s", delimiterName(t.csv.Comma), first, strings.Join(uses, ", "))
}

func delimiterName(d rune) string {
	switch d {
	case ',':
		return "commas"
	case ';':
		return "semicolons"
	case '\t':
		return "tabs"
	}
	return strconv.QuoteRune(d)
}

// unused lists the columns that nothing is read from.
func (t *table) unused() []string {
	var names []string
	for i, name := range t.names {
		if !slices.ContainsFunc(t.parts(), func(c columnPart) bool { return *c.index == i }) && len(names) < maxUnused {
			names = append(names, name)
		}
	}
	return names
}

func (t *table) next() (Row, error) {
	record := t.first
	line := 1
	if t.first == nil {
		t.bound.reset()
		var err error
		if record, err = t.csv.Read(); err == io.EOF {
			return Row{}, io.EOF
		} else if err != nil {
			var parse *csv.ParseError
			if errors.As(err, &parse) {
				return Row{line: parse.StartLine}, t.explain(err)
			}
			return Row{}, t.explain(err)
		}
		line, _ = t.csv.FieldPos(0)
	}
	t.first = nil
	at := Row{line: line}
	if len(record) != t.width {
		return at, fmt.Errorf("%s, the first line has %d; a value with a %q needs double quotes around it", count(len(record), "value"), t.width, t.csv.Comma)
	}
	row := Row{line: line, Text: record[t.text], Weight: 1}
	for _, value := range record {
		if !utf8.ValidString(value) {
			return at, errors.New("not UTF-8; save the file as UTF-8")
		}
		if strings.IndexByte(value, 0) >= 0 {
			return at, errNUL
		}
		if rows := t.swallowed(value); rows > 0 {
			return at, fmt.Errorf("a double quote begins a value that ends %d lines below, and these lines look like rows; if they are, write each double quote as two within a value in quotes; if not, write JSON lines", rows)
		}
	}
	row.Text = strings.Clone(row.Text)
	if t.pair >= 0 {
		if pair := strings.Clone(record[t.pair]); pair != "" {
			row.Pair = &pair
		}
	}
	if t.label >= 0 {
		row.Label = labelFromCell(strings.Clone(record[t.label]))
	}
	if t.id >= 0 {
		row.ID = quoteJSON(record[t.id])
	}
	if t.weight >= 0 && strings.TrimSpace(record[t.weight]) != "" {
		var err error
		if row.Weight, err = parseWeight(strings.TrimSpace(record[t.weight])); err != nil {
			return at, fmt.Errorf("%q %w", t.columns.Weight, err)
		}
	}
	return row, nil
}

// swallowed returns the number of line ends in a value if the lines between its double
// quotes look like rows. Many programs write TSV without quoting: there a quote at the
// beginning of a value means itself, and would otherwise hide the rows up to the next one.
// Commas are too common in texts for such a guess.
func (t *table) swallowed(value string) int {
	ends := strings.Count(value, "\n")
	if t.csv.Comma != '\t' || ends == 0 || t.width < 2 || strings.Count(value, "\t") < ends*(t.width-1) {
		return 0
	}
	return ends
}

// explain puts package csv's errors in plain words.
func (t *table) explain(err error) error {
	switch {
	case t.bound.exhausted:
		return fmt.Errorf("longer than %d bytes; a double quote may be missing at the end of a value", maxRow)
	case errors.Is(err, csv.ErrBareQuote):
		return errors.New(`a double quote inside a value that has none around it; put the value in double quotes and write each one inside it twice ("")`)
	case errors.Is(err, csv.ErrQuote):
		return errors.New(`text after a closing double quote, or no closing one; write each double quote inside a value twice ("")`)
	}
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
