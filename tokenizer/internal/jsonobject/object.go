package jsonobject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"kenserve/internal/settings"
)

// An Object is a JSON object that is read member by member. Each read removes the member. A member that
// is missing or has the wrong type makes an error that names it. The object keeps the first error, so
// that a reader can read all members and check for an error once.
type Object struct {
	value    Value
	tables   []settings.Table // nil: every name counts
	typeName string           // its member "type", if Typed read it
	members  map[string]json.RawMessage
	err      error
}

// maxCount is the largest number that Count accepts.
const maxCount = math.MaxInt32

// Empty returns an object without members, for a file that does not exist.
func Empty(name string) *Object { return &Object{value: Value{file: NewFile(name), path: name}} }

// Path returns where the object is: "FILE: MEMBER.MEMBER[INDEX]".
func (o *Object) Path() string { return o.value.path }

// Type returns the type of an object that [Value.Typed] returned.
func (o *Object) Type() string { return o.typeName }

// Err returns the first error.
func (o *Object) Err() error { return o.err }

// Fail records the error that a member has a problem, such as "is not a string". err is its cause, or
// nil.
func (o *Object) Fail(name, problem string, err error) {
	if err != nil {
		o.FailWith(fmt.Errorf("%s: member %q %s: %w", o.value.path, name, problem, err))
	} else {
		o.FailWith(fmt.Errorf("%s: member %q %s", o.value.path, name, problem))
	}
}

// FailWith records err unless the object has an error already.
func (o *Object) FailWith(err error) {
	if o.err == nil {
		o.err = err
	}
}

// Adopt ends the reading of an object inside o: it closes inner and records its error in o.
func (o *Object) Adopt(inner *Object) {
	if err := inner.Close(); err != nil {
		o.FailWith(err)
	}
}

// Close ends the reading. It tells the file the names that no table has, and returns the first error. A
// member that was not read must be one that changes nothing.
func (o *Object) Close() error {
	for _, name := range o.Names() {
		setting, ok := o.find(name)
		switch {
		case !ok:
			if file := o.value.file; len(file.unknown) < maxUnknown {
				file.unknown[strings.TrimPrefix(o.value.name+"."+name, ".")] = true
			}
		default:
			if err := setting.Check(o.members[name]); err != nil {
				o.FailWith(fmt.Errorf("%s: %w", o.value.path, err))
			}
		}
	}
	return o.err
}

// find returns the setting of that name, from the first table that has it.
func (o *Object) find(name string) (settings.Setting, bool) {
	for _, t := range o.tables {
		if s, ok := t.Find(name); ok {
			return s, true
		}
	}
	return settings.Setting{}, false
}

// Names returns the names of the members that were not read yet, sorted.
func (o *Object) Names() []string {
	return slices.Sorted(maps.Keys(o.members))
}

// Has reports whether there is a member of that name that was not read yet.
func (o *Object) Has(name string) bool { _, ok := o.members[name]; return ok }

// IsNull reports whether a member exists and is null. It does not read it.
func (o *Object) IsNull(name string) bool { return o.Has(name) && isNull(o.members[name]) }

// IsObject reports whether a member exists and is an object. It does not read it.
func (o *Object) IsObject(name string) bool {
	return bytes.HasPrefix(bytes.TrimSpace(o.members[name]), []byte("{"))
}

// take reads a required member and returns its JSON.
func (o *Object) take(name string) json.RawMessage {
	if !o.Has(name) {
		o.Fail(name, "is missing", nil)
	}
	return o.optional(name)
}

// optional reads a member and returns its JSON, nil if the member is missing. A member that the tables do
// not have is an error of the program: the tables are what is documented.
func (o *Object) optional(name string) json.RawMessage {
	if setting, ok := o.find(name); o.tables != nil && (!ok || setting.Harmless != "" || setting.Refused != "") {
		o.Fail(name, "is read, but the table does not say that it takes effect", nil)
	}
	raw := o.members[name]
	delete(o.members, name)
	return raw
}

// Member reads a member, which may be missing.
func (o *Object) Member(name string) Value { return o.child(name, o.optional(name)) }

// Required reads a member that must not be missing.
func (o *Object) Required(name string) Value { return o.child(name, o.take(name)) }

// child returns the value of a member.
func (o *Object) child(name string, raw json.RawMessage) Value {
	v := Value{file: o.value.file, name: name, raw: raw, depth: o.value.depth}
	if o.value.name != "" {
		v.name = o.value.name + "." + name
	}
	separator := ": "
	if strings.Contains(o.value.path, ": ") {
		separator = "."
	}
	v.path = o.value.path + separator + name
	return v
}

// Values reads a required member that is a list. Typed objects in the list are one level deeper than o.
func (o *Object) Values(name string) []Value {
	v := o.Required(name)
	if o.err == nil && isNull(v.raw) {
		o.Fail(name, "is null, not a list", nil)
	}
	elements, err := v.Elements()
	if err != nil {
		o.Fail(name, "is not a list", nil)
	}
	return elements
}

// read decodes a required member to v. The member must not be null. want names its type, for errors.
func (o *Object) read(name, want string, v any) {
	raw := o.take(name)
	if o.err != nil {
		return
	}
	if isNull(raw) {
		o.Fail(name, "is null, not "+want, nil)
	} else if err := json.Unmarshal(raw, v); err != nil {
		o.Fail(name, "is not "+want, err)
	}
}

// Bool reads a required member that is true or false.
func (o *Object) Bool(name string) (v bool) {
	o.read(name, "true or false", &v)
	return v
}

// BoolOr is like Bool but returns otherwise for a missing member.
func (o *Object) BoolOr(name string, otherwise bool) bool {
	if !o.Has(name) {
		return otherwise
	}
	return o.Bool(name)
}

// OptionalBool is like Bool but returns nil for a member that is missing or null.
func (o *Object) OptionalBool(name string) *bool {
	if !o.Has(name) || o.IsNull(name) {
		o.optional(name)
		return nil
	}
	v := o.Bool(name)
	return &v
}

// String reads a required member that is a string.
func (o *Object) String(name string) (v string) {
	o.read(name, "a string", &v)
	return v
}

// StringOr is like String but returns otherwise for a missing member.
func (o *Object) StringOr(name, otherwise string) string {
	if !o.Has(name) {
		return otherwise
	}
	return o.String(name)
}

// OptionalString is like String but returns nil for a member that is missing or null.
func (o *Object) OptionalString(name string) *string {
	if !o.Has(name) || o.IsNull(name) {
		o.optional(name)
		return nil
	}
	v := o.String(name)
	return &v
}

// Count reads a required member that is an integer from 0 to maxCount.
func (o *Object) Count(name string) int {
	raw := o.take(name)
	if o.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(raw)), 10, 31)
	if err != nil {
		o.Fail(name, fmt.Sprintf("is not an integer from 0 to %d", maxCount), nil)
	}
	return int(n)
}

// List reads a required member that is a list and returns the JSON of its elements.
func (o *Object) List(name string) (v []json.RawMessage) {
	o.read(name, "a list", &v)
	return v
}

// Strings reads a required member that is a list of strings.
func (o *Object) Strings(name string) []string {
	list := o.List(name)
	v := make([]string, len(list))
	for i, raw := range list {
		if err := json.Unmarshal(raw, &v[i]); err != nil || isNull(raw) {
			o.Fail(name, "is not a list of strings", err)
		}
	}
	return v
}

// IDs reads a required member that is a list of token ids.
func (o *Object) IDs(name string) []int32 {
	list := o.List(name)
	v := make([]int32, len(list))
	for i, raw := range list {
		n, err := strconv.ParseUint(string(bytes.TrimSpace(raw)), 10, 31)
		if err != nil {
			o.Fail(name, "is not a list of ids", err)
		}
		v[i] = int32(n)
	}
	return v
}

// Object reads a required member that is an object. The caller reads the result and then passes it to
// Adopt.
func (o *Object) Object(name string, tables ...settings.Table) *Object {
	return o.Required(name).Object(tables...)
}

// Map reads a required member that is an object whose names are data.
func (o *Object) Map(name string) *Object { return o.Required(name).Map() }

// Choice reads a required member that is a string and is named first or second, not both. It reports
// whether it is second.
func (o *Object) Choice(first, second string) (v string, isSecond bool) {
	if !o.Has(second) {
		return o.String(first), false
	}
	if o.Has(first) {
		o.Fail(first, fmt.Sprintf("contradicts %q", second), nil)
	}
	return o.String(second), true
}
