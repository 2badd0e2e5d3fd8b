package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// An object is a JSON object that is read field by field. A field that is missing, of another type,
// or left over makes an error, which names the field; the first one stays in err, so that a reader
// may take all it wants and ask once.
type object struct {
	at     string // where the object is, for errors
	kind   string // the component's type
	fields map[string]json.RawMessage
	err    error
}

// A component is an object that a "type" field names.
type component = object

// maxDepth bounds how deep Sequences may lie in each other.
const maxDepth = 16

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

func readObject(at string, raw json.RawMessage) (*object, error) {
	o := &object{at: at}
	if err := json.Unmarshal(raw, &o.fields); err != nil || o.fields == nil {
		return nil, fmt.Errorf("tokenizer: %s: no JSON object: %w", at, errors.Join(err, errIsNull(raw)))
	}
	return o, nil
}

func errIsNull(raw json.RawMessage) error {
	if len(raw) == 0 {
		return errors.New("it is missing")
	}
	if isNull(raw) {
		return errors.New("it is null")
	}
	return nil
}

// readComponent reads an object that a type names. For null or nothing it returns nil.
func readComponent(at string, raw json.RawMessage, depth int) (*component, error) {
	if raw == nil || isNull(raw) {
		return nil, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("tokenizer: %s: more than %d components lie in each other", at, maxDepth)
	}
	o, err := readObject(at, raw)
	if err != nil {
		return nil, err
	}
	if o.kind = o.string("type"); o.err != nil {
		return nil, o.err
	}
	return o, nil
}

func (o *object) unknownKind() error {
	return fmt.Errorf("tokenizer: %s: type %q is not supported", o.at, o.kind)
}

// fail records that a field is not as it should be.
func (o *object) fail(name, what string, err error) {
	if o.err != nil {
		return
	}
	if err != nil {
		o.err = fmt.Errorf("tokenizer: %s: field %q %s: %w", o.at, name, what, err)
	} else {
		o.err = fmt.Errorf("tokenizer: %s: field %q %s", o.at, name, what)
	}
}

// adopt takes over the error of an object inside o, having checked that nothing is left of it.
func (o *object) adopt(inner *object) {
	if err := inner.close(); o.err == nil {
		o.err = err
	}
}

// close returns the first error, or an error for a field that nobody asked for: it may mean
// something that would be ignored.
func (o *object) close() error {
	if names := o.names(); o.err == nil && len(names) > 0 {
		o.fail(names[0], "is not known", nil)
	}
	return o.err
}

// names returns the names of the fields that are left.
func (o *object) names() []string {
	names := make([]string, 0, len(o.fields))
	for name := range o.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (o *object) has(name string) bool { _, ok := o.fields[name]; return ok }

// take removes a field that must be there.
func (o *object) take(name string) json.RawMessage {
	raw, ok := o.fields[name]
	if !ok {
		o.fail(name, "is missing", nil)
	}
	delete(o.fields, name)
	return raw
}

// read decodes a field, which must be there and not null, to v.
func (o *object) read(name, what string, v any) {
	raw := o.take(name)
	if o.err != nil {
		return
	}
	if isNull(raw) {
		o.fail(name, "is null, not "+what, nil)
	} else if err := json.Unmarshal(raw, v); err != nil {
		o.fail(name, "is not "+what, err)
	}
}

func (o *object) bool(name string) (v bool) {
	o.read(name, "true or false", &v)
	return v
}

// optionalBool is nil for a field that is missing or null.
func (o *object) optionalBool(name string) *bool {
	if raw, ok := o.fields[name]; !ok || isNull(raw) {
		delete(o.fields, name)
		return nil
	}
	v := o.bool(name)
	return &v
}

func (o *object) string(name string) (v string) {
	o.read(name, "a string", &v)
	return v
}

// optionalString is otherwise for a field that is missing.
func (o *object) optionalString(name, otherwise string) string {
	if !o.has(name) {
		return otherwise
	}
	return o.string(name)
}

// count reads an integer from 0 to maxCount.
func (o *object) count(name string) int {
	raw := o.take(name)
	if o.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(raw)), 10, 31)
	if err != nil {
		o.fail(name, fmt.Sprintf("is not an integer from 0 to %d", maxCount), nil)
	}
	return int(n)
}

func (o *object) list(name string) (v []json.RawMessage) {
	o.read(name, "a list", &v)
	return v
}

func (o *object) strings(name string) []string {
	list := o.list(name)
	v := make([]string, len(list))
	for i, raw := range list {
		if err := json.Unmarshal(raw, &v[i]); err != nil || isNull(raw) {
			o.fail(name, "is not a list of strings", err)
		}
	}
	return v
}

func (o *object) ids(name string) []int32 {
	list := o.list(name)
	v := make([]int32, len(list))
	for i, raw := range list {
		n, err := strconv.ParseUint(string(bytes.TrimSpace(raw)), 10, 31)
		if err != nil {
			o.fail(name, "is not a list of ids", err)
		}
		v[i] = int32(n)
	}
	return v
}

// object reads a field as an object, which must be given back by adopt.
func (o *object) object(name string) *object {
	raw := o.take(name)
	inner, err := readObject(o.at+"."+name, raw)
	if err != nil {
		if o.err == nil {
			o.err = err
		}
		return &object{at: o.at + "." + name}
	}
	return inner
}

// choice reads an object with one field, a string, whose name is one of two. It reports whether it
// is the second.
func (o *object) choice(first, second string) (v string, isSecond bool) {
	if o.has(second) {
		return o.string(second), true
	}
	return o.string(first), false
}

// checkText returns an error for JSON that is not valid, or holds text that is none: not UTF-8, or
// half of a surrogate pair, both of which package json would replace.
func checkText(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	if !json.Valid(data) {
		return errors.New("not valid JSON")
	}
	// In valid JSON a backslash starts an escape, and \u has four digits.
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
			return fmt.Errorf("offset %d: half of a surrogate pair", i-1)
		}
		i += 10
	}
	return nil
}

// escapedUnit returns the UTF-16 unit whose escape data starts with, -1 if it does with none.
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
