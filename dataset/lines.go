package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// lines reads formats with a row a line.
type lines struct {
	scanner *bufio.Scanner
	parse   func(line []byte) (Row, error)
	line    int // the last line that was read
}

func newScanner(in io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, bufferSize), maxRow)
	return s
}

func parseText(line []byte) (Row, error) { return Row{Text: string(line), Weight: 1}, nil }

// parseLine reads a line of JSON lines.
func (r *Reader) parseLine(line []byte) (Row, error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return Row{}, errBlank
	}
	return r.parseObject(line)
}

// errBlank is a line that is no row.
var errBlank = errors.New("a blank line")

func (l *lines) next() (Row, error) {
	for l.scanner.Scan() {
		l.line++
		line := l.scanner.Bytes()
		at := Row{line: l.line}
		if !utf8.Valid(line) {
			return at, errors.New("not UTF-8; save the file as UTF-8")
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return at, errNUL
		}
		row, err := l.parse(line)
		if err == errBlank {
			continue
		}
		if err != nil {
			return at, err
		}
		row.line = l.line
		return row, nil
	}
	switch err := l.scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Row{line: l.line + 1}, fmt.Errorf("longer than %d bytes", maxRow)
	case err != nil:
		return Row{line: l.line + 1}, err
	}
	return Row{}, io.EOF
}
