package jsonobject

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// CheckText returns an error unless data is valid JSON whose text is valid: UTF-8, and without half
// surrogate pairs. Package json would replace invalid text by U+FFFD.
func CheckText(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	if !json.Valid(data) {
		return errors.New("not valid JSON")
	}
	// In valid JSON, each backslash starts an escape, and \u is followed by four digits.
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++
		unit := escapedUnit(data[i-1:])
		if unit < 0xD800 || unit > 0xDFFF {
			continue
		}
		if low := escapedUnit(data[i+5:]); unit > 0xDBFF || low < 0xDC00 || low > 0xDFFF {
			return fmt.Errorf("offset %d: the escape is half of a surrogate pair", i-1)
		}
		i += 10
	}
	return nil
}

// escapedUnit returns the UTF-16 code unit of the \u escape at the start of data, -1 if there is none.
func escapedUnit(data []byte) int64 {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int64(n)
}
