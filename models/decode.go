package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"kenserve/internal/lfs"
)

// jsonMembers returns the members of a JSON object. Errors are in plain words, with the
// line of the fault.
func jsonMembers(text []byte) (map[string]json.RawMessage, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, errors.New("the text is UTF-16: save it as UTF-8")
	}
	if err := lfs.Check(text); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the text is empty, want a JSON object")
	}
	var members map[string]json.RawMessage
	err := json.Unmarshal(text, &members)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		offset := min(int(syntax.Offset), len(text))
		line := 1 + bytes.Count(text[:offset], []byte("\n"))
		if offset == len(text) && syntax.Error() == "unexpected end of JSON input" {
			return nil, fmt.Errorf("the JSON text ends too early, in line %d: the file is incomplete", line)
		}
		return nil, fmt.Errorf("not JSON, at line %d, byte %d", line, offset)
	case err != nil || members == nil:
		return nil, fmt.Errorf("the text is %s, want a JSON object", shortValue(text))
	}
	return members, nil
}

// Decode reads the configuration into a family's own struct with JSON tags, whose
// embedded structs count as part of it. Fields that the file lacks keep their
// values, so v is filled with the family's defaults before. Null is an error unless
// the field is a pointer, a list, a map or decodes itself. The error lacks the
// package's name, which Family.New adds. The tags are the settings that take effect.
func (c *Config) Decode(v any) error {
	return c.decode(reflect.ValueOf(v).Elem())
}

func (c *Config) decode(v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("json")
		if name == "" {
			if field.Anonymous {
				if err := c.decode(v.Field(i)); err != nil {
					return err
				}
			}
			continue
		}
		c.used[name] = true
		raw, ok := c.members[name]
		if !ok {
			continue
		}
		if err := decodeMember(name, raw, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// decodeMember reads the value of one member.
func decodeMember(name string, raw json.RawMessage, v reflect.Value) error {
	_, decodesItself := v.Addr().Interface().(json.Unmarshaler)
	want := wanted(v.Type())
	if string(raw) == "null" && !decodesItself {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			v.SetZero()
			return nil
		}
		return fmt.Errorf("%s is null, want %s: give a value, or leave it out for the default", name, want)
	}
	err := json.Unmarshal(raw, v.Addr().Interface())
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) || err != nil && !decodesItself:
		return fmt.Errorf("%s is %s, want %s", name, shortValue(raw), want)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// wanted describes the values of a type in plain words.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list of texts"
	}
	return "an object"
}

// shortValue is a JSON value as an error shows it.
func shortValue(raw []byte) string {
	s := strings.Join(strings.Fields(string(raw)), " ")
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}
