// Package dataset reads texts to classify, one a line, with or without labels.
//
// A line is either a plain text or a JSON object:
//
//	{"text": "…", "text_pair": "…", "label": "LOC"}
//
// "text" is required. "text_pair" is the second text of a pair. "label" is the name of
// a label or its index from 0. Other members are ignored, and so are blank lines
// between JSON objects. A blank plain line is an empty text. Input is UTF-8; a byte
// order mark at the start is skipped.
package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// maxLine bounds a line of input, in bytes.
const maxLine = 16 << 20

// Format says whether lines are plain texts or JSON objects.
type Format string

// The formats. Auto means JSON if the first line is a JSON object with a "text", and
// Text otherwise.
const (
	Auto Format = "auto"
	Text Format = "text"
	JSON Format = "json"
)

// Example is one line of input.
type Example struct {
	Text string
	Pair *string // the second text of a pair; nil for a single text

	label any // string or json.Number; nil if the line has no label
	line  int
}

// Line returns the number of the example's line, counted from 1.
func (e *Example) Line() int { return e.line }

// LabelIndex returns the index in labels of the example's label. The error names the
// line. It is an error if the example has no label, or one that labels does not have.
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
		return 0, fmt.Errorf("label %q is not a label of the task", l)
	case json.Number:
		if i, err := l.Int64(); err == nil && i >= 0 && i < int64(len(labels)) {
			return int(i), nil
		}
		return 0, fmt.Errorf("label %s must be a whole number from 0 to %d", l, len(labels)-1)
	case nil:
		return 0, errors.New("\"label\" is missing")
	}
	return 0, errors.New("\"label\" must be a name or a number")
}

// EachLine calls f for every line, without its line ending; number counts from 1. f
// must not keep line. EachLine stops at the first error: one of f, a line that is not
// UTF-8, or a line longer than 16 MiB.
func EachLine(in io.Reader, f func(number int, line []byte) error) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	number := 0
	for scanner.Scan() {
		number++
		line := scanner.Bytes()
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // byte order mark
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

// EachBatch reads examples and calls f for size of them at a time; the last batch may
// be smaller. f must not keep the slice.
func EachBatch(in io.Reader, format Format, size int, f func([]Example) error) error {
	var batch []Example
	err := EachLine(in, func(number int, line []byte) error {
		if format == Auto {
			format = Text
			if e, err := parseJSON(line); err == nil && e.Text != nil {
				format = JSON
			}
		}
		e := Example{line: number}
		if format == JSON {
			if len(bytes.TrimSpace(line)) == 0 {
				return nil
			}
			parsed, err := parseJSON(line)
			if err != nil {
				return fmt.Errorf("read input: line %d: %w", number, err)
			}
			if parsed.Text == nil {
				return fmt.Errorf("read input: line %d: \"text\" is missing", number)
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

// jsonExample is the JSON object of a line.
type jsonExample struct {
	Text  *string `json:"text"`
	Pair  *string `json:"text_pair"`
	Label any     `json:"label"`
}

func parseJSON(line []byte) (e jsonExample, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber() // a label stays a json.Number: 1.0 is not an index
	if err = d.Decode(&e); err == nil && d.More() {
		err = errors.New("unexpected text after the JSON object")
	}
	return e, err
}
