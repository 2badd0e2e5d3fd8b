package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// objectMembers splits a JSON object into its members. A name may not occur
// twice.
func objectMembers(data []byte) (map[string]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	token, err := d.ReadToken()
	if err != nil {
		return nil, jsonError(d, err)
	}
	if token.Kind() != '{' {
		return nil, fmt.Errorf("the row is %s, want an object such as {\"text\": \"…\"}", kindName(token.Kind()))
	}
	members := map[string]jsontext.Value{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, jsonError(d, err)
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, jsonError(d, err)
		}
		members[key] = value.Clone()
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, jsonError(d, err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errors.New("more text after the JSON object; write one object a line")
	}
	return members, nil
}

// jsonError says in plain words why JSON is not valid.
func jsonError(d *jsontext.Decoder, err error) error {
	at := d.InputOffset()
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON ends too early; an object must begin and end on the same line, or use a JSON array")
	case errors.Is(err, jsontext.ErrDuplicateName):
		if errors.As(err, &syntactic) {
			return fmt.Errorf("member %q occurs twice", syntactic.JSONPointer.LastToken())
		}
		return errors.New("a member occurs twice")
	case errors.As(err, &syntactic):
		at = syntactic.ByteOffset
	}
	return fmt.Errorf("not valid JSON near byte %d; strings need double quotes, and lone surrogates are not allowed", at+1)
}

// kindName names a kind of value, with its article.
func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	case '[', ']':
		return "an array"
	}
	return "an object"
}

// parseObject reads a row from a JSON object.
func (r *Reader) parseObject(data []byte) (Row, error) {
	members, err := objectMembers(data)
	if err != nil {
		return Row{}, err
	}
	c := r.columns
	row := Row{Weight: 1}
	text, err := stringMember(members, c.Text)
	if err != nil {
		return Row{}, err
	}
	if text == nil {
		return Row{}, r.noText(members)
	}
	row.Text = *text
	if row.Pair, err = stringMember(members, c.Pair); err != nil {
		return Row{}, err
	}
	if r.named.Pair != "" && members[c.Pair] == nil {
		return Row{}, fmt.Errorf("no %q, which --text-pair-column names; a text without a second one has null there", c.Pair)
	}
	if value := members[c.Label]; r.options.Labelled && value != nil && value.Kind() != 'n' {
		if row.Label, err = labelFromJSON(value); err != nil {
			return Row{}, fmt.Errorf("%q %w", c.Label, err)
		}
	}
	if value := members[c.ID]; value != nil {
		row.ID = string(value)
	}
	if value := members[c.Weight]; r.options.Weighted && value != nil && value.Kind() != 'n' {
		if row.Weight, err = parseWeight(string(value)); err != nil {
			return Row{}, fmt.Errorf("%q %w", c.Weight, err)
		}
	}
	for name := range members {
		used := name == c.Text || name == c.Pair || name == c.ID || name == c.Label && r.options.Labelled || name == c.Weight && r.options.Weighted
		if !used {
			r.noteUnused(name)
		}
	}
	return row, nil
}

// maxUnused bounds how many unused names are remembered.
const maxUnused = 100

func (r *Reader) noteUnused(name string) {
	if len(r.unused) < maxUnused {
		r.unused[name] = true
	}
}

// noText says which members there are instead.
func (r *Reader) noText(members map[string]jsontext.Value) error {
	if members[r.columns.Text] != nil {
		return fmt.Errorf("%q is null, want a string; leave the row out, or write \"\"", r.columns.Text)
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	return missingColumn(r.columns.Text, "member", names)
}

// stringMember returns a member that is a string; nil for none and for null.
func stringMember(members map[string]jsontext.Value, name string) (*string, error) {
	value := members[name]
	if value == nil || value.Kind() == 'n' {
		return nil, nil
	}
	if value.Kind() != '"' {
		return nil, fmt.Errorf("%q is %s, want a string", name, kindName(value.Kind()))
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return nil, fmt.Errorf("%q is not a valid string", name)
	}
	s := string(text)
	return &s, nil
}

func parseWeight(s string) (float64, error) {
	w, err := strconv.ParseFloat(s, 64)
	if err != nil || !(w >= 0) || math.IsInf(w, 0) {
		return 0, fmt.Errorf("is %s, want a number that is not negative", s)
	}
	return w, nil
}

// array reads a JSON array of objects.
type array struct {
	decoder *jsontext.Decoder
	parse   func([]byte) (Row, error)
	done    bool
	in      *boundedReader
	lines   *lineCounter
}

func newArray(b *bufio.Reader, parse func([]byte) (Row, error)) (*array, error) {
	a := &array{parse: parse, in: &boundedReader{in: b}}
	a.lines = &lineCounter{in: a.in}
	a.decoder = jsontext.NewDecoder(a.lines)
	a.in.reset()
	token, err := a.decoder.ReadToken()
	if err != nil {
		return nil, jsonError(a.decoder, err)
	}
	if token.Kind() != '[' {
		return nil, fmt.Errorf("the file is %s, want an array of objects", kindName(token.Kind()))
	}
	return a, nil
}

func (a *array) next() (Row, error) {
	if a.done {
		return Row{}, io.EOF
	}
	a.in.reset()
	kind := a.decoder.PeekKind()
	if kind == ']' {
		a.done = true
		if _, err := a.decoder.ReadToken(); err != nil {
			return Row{}, jsonError(a.decoder, err)
		}
		if _, err := a.decoder.ReadToken(); err != io.EOF {
			return Row{}, errors.New("more text after the JSON array")
		}
		return Row{}, io.EOF
	}
	value, err := a.decoder.ReadValue()
	at := Row{line: a.lines.lineOf(a.decoder.InputOffset() - int64(len(value)))}
	if err != nil {
		a.done = true
		if a.in.exhausted {
			return at, fmt.Errorf("longer than %d bytes", maxRow)
		}
		return at, arrayError(a.decoder, err)
	}
	row, err := a.parse(value)
	if err != nil {
		return at, err
	}
	row.line = at.line
	return row, nil
}

// arrayError is jsonError within an array, where objects may have many lines.
func arrayError(d *jsontext.Decoder, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON array ends too early; it must end with ]")
	}
	return jsonError(d, err)
}

// boundedReader ends with an error when more than maxRow bytes, and what is read
// ahead, were read since the last reset.
type boundedReader struct {
	in        io.Reader
	left      int
	exhausted bool
}

func (b *boundedReader) reset() { b.left = maxRow + 1<<20 }

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.exhausted = true
		return 0, errors.New("the row is too long")
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// lineCounter knows on which line an offset is, for rising offsets.
type lineCounter struct {
	in     io.Reader
	ends   []int64 // offsets of line ends that no row has passed
	offset int64
	line   int // ends that rows have passed
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.ends = append(l.ends, l.offset+int64(i))
		}
	}
	l.offset += int64(n)
	return n, err
}

func (l *lineCounter) lineOf(offset int64) int {
	passed := 0
	for passed < len(l.ends) && l.ends[passed] < offset {
		passed++
	}
	l.ends = l.ends[:copy(l.ends, l.ends[passed:])]
	l.line += passed
	return l.line + 1
}
