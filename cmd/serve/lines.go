package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"kenserve/runtime"
)

// maxLine bounds a line of input, in bytes.
const maxLine = 16 << 20

// example is one line of input. Label is for eval.
type example struct {
	Text  *string `json:"text"`
	Pair  *string `json:"text_pair"`
	Label any     `json:"label"`

	line int
}

func (e *example) input() runtime.Input { return runtime.Input{Text: *e.Text, Pair: e.Pair} }

// openInput opens a file, or in for "-".
func openInput(path string, in io.Reader) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(in), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	return f, nil
}

// eachLine calls f for every line, without its end.
func eachLine(in io.Reader, f func(number int, line []byte) error) error {
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

// eachBatch reads examples, one a line, and calls f for up to size of them at
// a time. Lines are JSON objects if the first one is an object with a text,
// and plain texts otherwise; format "text" or "json" settles it.
func eachBatch(in io.Reader, format string, size int, f func([]example) error) error {
	var batch []example
	err := eachLine(in, func(number int, line []byte) error {
		if format == "auto" {
			format = "text"
			if e, err := parseExample(line); err == nil && e.Text != nil {
				format = "json"
			}
		}
		var e example
		if format == "json" {
			if len(bytes.TrimSpace(line)) == 0 {
				return nil
			}
			var err error
			if e, err = parseExample(line); err != nil {
				return fmt.Errorf("read input: line %d: %w", number, err)
			}
			if e.Text == nil {
				return fmt.Errorf("read input: line %d: no \"text\"", number)
			}
		} else {
			text := string(line)
			e.Text = &text
		}
		e.line = number
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

func parseExample(line []byte) (e example, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err = d.Decode(&e); err == nil && d.More() {
		err = fmt.Errorf("text after the JSON object")
	}
	return e, err
}

func inputs(batch []example) []runtime.Input {
	out := make([]runtime.Input, len(batch))
	for i := range batch {
		out[i] = batch[i].input()
	}
	return out
}
