// Package jsonobject reads the JSON files of a tokenizer. Every object has tables of the members that its
// format is known to have (package settings). A member takes effect, or is known to change nothing, or is
// refused. A name that no table has is collected, so that a command can report it. A missing member or
// one of the wrong type is an error.
package jsonobject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"kenserve/internal/settings"
)

// A File is a JSON file that is read. It collects the names that no table has.
type File struct {
	name    string
	unknown map[string]bool
}

// NewFile starts to read a file of that name.
func NewFile(name string) *File { return &File{name: name, unknown: make(map[string]bool)} }

// maxUnknown is how many unknown names are kept. A file may have any number of them.
const maxUnknown = 1000

// Unknown returns the names that no table has, as "MEMBER.MEMBER[].MEMBER".
func (f *File) Unknown() settings.Unknown {
	u := settings.Unknown{File: f.name}
	for name := range f.unknown {
		u.Names = append(u.Names, name)
	}
	slices.Sort(u.Names)
	return u
}

// A Value is a JSON value of a file.
type Value struct {
	file  *File
	path  string // where it is: "FILE: MEMBER.MEMBER[INDEX]", for errors
	name  string // the same without FILE and the numbers of indices, for unknown names
	raw   json.RawMessage
	depth int // number of typed objects around it
}

// Parse returns the value that is the whole file. It checks the text, see [CheckText].
func (f *File) Parse(data []byte) (Value, error) {
	if err := CheckText(data); err != nil {
		return Value{}, fmt.Errorf("%s: %w", f.name, err)
	}
	return Value{file: f, path: f.name, raw: data}, nil
}

// Absent tells whether the value is missing or null.
func (v Value) Absent() bool { return len(v.raw) == 0 || isNull(v.raw) }

// WithRaw returns a value with other JSON, in the same place.
func (v Value) WithRaw(raw json.RawMessage) Value { v.raw = raw; return v }

// Raw returns the JSON of the value, nil if it is missing.
func (v Value) Raw() json.RawMessage { return v.raw }

// Path returns where the value is: "FILE: MEMBER.MEMBER[INDEX]".
func (v Value) Path() string { return v.path }

// Text returns the value if it is a string.
func (v Value) Text() (string, bool) {
	var s *string
	if json.Unmarshal(v.raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

// Object starts to read an object whose members are in the tables. If the value is no object, the result
// has an error and no members.
func (v Value) Object(tables ...settings.Table) *Object {
	o := v.Map()
	o.tables = tables
	return o
}

// Map starts to read an object whose names are data, such as the tokens of a vocabulary.
func (v Value) Map() *Object {
	o := &Object{value: v}
	switch err := json.Unmarshal(v.raw, &o.members); {
	case len(v.raw) == 0:
		o.FailWith(fmt.Errorf("%s: not a JSON object: it is missing", v.path))
	case err != nil:
		o.FailWith(fmt.Errorf("%s: not a JSON object", v.path))
	case o.members == nil:
		o.FailWith(fmt.Errorf("%s: not a JSON object: it is null", v.path))
	}
	return o
}

// Elements returns the elements of a list, none if the value is null or missing.
func (v Value) Elements() ([]Value, error) {
	if v.Absent() {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(v.raw, &list); err != nil {
		return nil, fmt.Errorf("%s: not a list: %w", v.path, err)
	}
	elements := make([]Value, len(list))
	for i, raw := range list {
		elements[i] = Value{file: v.file, path: fmt.Sprintf("%s[%d]", v.path, i), name: v.name + "[]", raw: raw, depth: v.depth + 1}
	}
	return elements, nil
}

// A Type is a kind of object that its member "type" names.
type Type struct {
	Name     string
	Settings settings.Table // besides "type"
	Refused  string         // if not empty, the type is not implemented, and this is the remedy
}

// maxDepth is how many typed objects, such as Sequences, may be nested.
const maxDepth = 16

// typeTable has the member that every typed object has.
var typeTable = settings.Table{settings.Used("type")}

// Typed starts to read an object whose member "type" names its type, which must be one of types. It
// returns nil for null and for a missing value.
func (v Value) Typed(types []Type) (*Object, error) {
	if v.Absent() {
		return nil, nil
	}
	if v.depth > maxDepth {
		return nil, fmt.Errorf("%s: more than %d components are nested", v.path, maxDepth)
	}
	o := v.Map()
	if o.typeName = o.String("type"); o.err != nil {
		return nil, o.err
	}
	return o, o.SetType(types, o.typeName)
}

// SetType makes o an object of the named type.
func (o *Object) SetType(types []Type, name string) error {
	i := slices.IndexFunc(types, func(t Type) bool { return t.Name == name })
	switch {
	case i < 0:
		var names []string
		for _, t := range types {
			if t.Refused == "" {
				names = append(names, t.Name)
			}
		}
		return fmt.Errorf("%s: type %q is not supported; supported are %s", o.value.path, name, list(names))
	case types[i].Refused != "":
		return fmt.Errorf("%s: type %q is not supported: %s", o.value.path, name, types[i].Refused)
	}
	o.typeName, o.tables = name, []settings.Table{types[i].Settings, typeTable}
	return nil
}

// list joins names: "a, b and c".
func list(names []string) string {
	var b bytes.Buffer
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}
