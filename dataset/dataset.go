// Package dataset reads texts to classify, one a line, plain or as JSON, and their
// labels.
package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// maxLine bounds a line of input, in bytes.
const maxLine = 16 << 20

// Format is how lines hold texts.
type Format string

const (
	Auto Format = "auto" // by the first line
	Text Format = "text"
	JSON Format = "json"
)

// Example is one line of input.
type Example struct {
	Text string
	Pair *string // nil: a single text

	label any
	line  int
}

// Line is the number of the example's line, from 1 on.
func (e *Example) Line() int { return e.line }

// LabelIndex finds the example's label, given by name or by number.
func (e *Example) LabelIndex(labels []string) (int, error) {
	i, err := labelIndex(e.label, labels)
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", e.line, err)
	}
	return i, nil
}

func labelIndex(label any, labels []string) (int, error) {
	switch l := label.(type) {
	case string:
		if i := slices.Index(labels, l); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("label %q is not one of the task's", l)
	case json.Number:
		if i, err := l.Int64(); err == nil && i >= 0 && i < int64(len(labels)) {
			return int(i), nil
		}
		return 0, fmt.Errorf("label %s is not a number below %d", l, len(labels))
	case nil:
		return 0, fmt.Errorf("no \"label\"")
	}
	return 0, fmt.Errorf("label is neither a name nor a number")
}

// EachLine calls f for every line, without its end.
func EachLine(in io.Reader, f func(number int, line []byte) error) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	number := 0
	for scanner.Scan() {
		number++
		line := scanner.Bytes()
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // some editors' mark of UTF-8
		}
		if !utf8.Valid(line) {
			return fmt.Errorf("read input: line %d is not UTF-8", number)
		}
		if err := f(number, line); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read input: line %d: %w", number+1, err)
	}
	return nil
}

// EachBatch reads examples, one a line, and calls f for up to size of them at
// a time. Lines are JSON objects if the first one is an object with a text,
// and plain texts otherwise; format Text or JSON settles it.
func EachBatch(in io.Reader, format Format, size int, f func([]Example) error) error {
	var batch []Example
	err := EachLine(in, func(number int, line []byte) error {
		if format == Auto {
			format = Text
			if e, err := parseExample(line); err == nil && e.Text != nil {
				format = JSON
			}
		}
		e := Example{line: number}
		if format == JSON {
			if len(bytes.TrimSpace(line)) == 0 {
				return nil
			}
			parsed, err := parseExample(line)
			if err != nil {
				return fmt.Errorf("read input: line %d: %w", number, err)
			}
			if parsed.Text == nil {
				return fmt.Errorf("read input: line %d: no \"text\"", number)
			}
			e.Text, e.Pair, e.label = *parsed.Text, parsed.Pair, parsed.Label
		} else {
			e.Text = string(line)
		}
		if batch = append(batch, e); len(batch) < size {
			return nil
		}
		err := f(batch)
		batch = batch[:0]
		return err
	})
	if err == nil && len(batch) > 0 {
		err = f(batch)
	}
	return err
}

// exampleJSON is an example as a line of JSON.
type exampleJSON struct {
	Text  *string `json:"text"`
	Pair  *string `json:"text_pair"`
	Label any     `json:"label"`
}

func parseExample(line []byte) (e exampleJSON, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err = d.Decode(&e); err == nil && d.More() {
		err = fmt.Errorf("text after the JSON object")
	}
	return e, err
}
