// Package jsonobject reads JSON objects strictly: a member that nobody reads is an error, as is a missing
// member or one of the wrong type. A setting that is ignored could change ids without notice.
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
)

// An Object is a JSON object that is read member by member. Each read removes the member. A member that
// is missing, has the wrong type or is left over makes an error that names it. The object keeps the
// first error, so that a reader can read all members and check for an error once.
type Object struct {
	path     string // where the object is: "FILE: MEMBER.MEMBER[INDEX]"
	typeName string // its member "type", if ReadTyped read it
	members  map[string]json.RawMessage
	err      error
}

// maxDepth is how many typed objects, such as Sequences, may be nested.
const maxDepth = 16

// maxCount is the largest number that Count accepts.
const maxCount = math.MaxInt32

// IsNull reports whether raw is null.
func IsNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

// Read starts to read an object. path is its location, for errors: the name of a file, or
// "FILE: MEMBER.MEMBER[INDEX]" for an object inside it.
func Read(path string, raw json.RawMessage) (*Object, error) {
	o := &Object{path: path}
	switch err := json.Unmarshal(raw, &o.members); {
	case len(raw) == 0:
		return nil, fmt.Errorf("%s: not a JSON object: it is missing", path)
	case err != nil:
		return nil, fmt.Errorf("%s: not a JSON object", path)
	case o.members == nil:
		return nil, fmt.Errorf("%s: not a JSON object: it is null", path)
	}
	return o, nil
}

// Empty returns an object without members.
func Empty(path string) *Object { return &Object{path: path} }

// ReadTyped starts to read an object whose member "type" names its type. It returns nil for null and for
// a missing object. depth is the number of typed objects around it; more than maxDepth is an error.
func ReadTyped(path string, raw json.RawMessage, depth int) (*Object, error) {
	if raw == nil || IsNull(raw) {
		return nil, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: more than %d components are nested", path, maxDepth)
	}
	o, err := Read(path, raw)
	if err != nil {
		return nil, err
	}
	if o.typeName = o.String("type"); o.err != nil {
		return nil, o.err
	}
	return o, nil
}

// Path returns where the object is: "FILE: MEMBER.MEMBER[INDEX]".
func (o *Object) Path() string { return o.path }

// Type returns the member "type", if the object comes from ReadTyped.
func (o *Object) Type() string { return o.typeName }

// UnknownType returns the error for a type that is not one of those supported.
func (o *Object) UnknownType(supported string) error {
	return fmt.Errorf("%s: type %q is not supported; supported are %s", o.path, o.typeName, supported)
}

// Err returns the first error.
func (o *Object) Err() error { return o.err }

// Fail records the error that a member has a problem, such as "is not a string". err is its cause, or
// nil.
func (o *Object) Fail(name, problem string, err error) {
	if err != nil {
		o.FailWith(fmt.Errorf("%s: member %q %s: %w", o.path, name, problem, err))
	} else {
		o.FailWith(fmt.Errorf("%s: member %q %s", o.path, name, problem))
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

// Close ends the reading. It returns the first error, or an error that names a member that nobody read.
func (o *Object) Close() error {
	if names := o.Names(); len(names) > 0 {
		o.Fail(names[0], "is unknown", nil)
	}
	return o.err
}

// Names returns the names of the members that were not read yet, sorted.
func (o *Object) Names() []string {
	return slices.Sorted(maps.Keys(o.members))
}

// Has reports whether there is a member of that name that was not read yet.
func (o *Object) Has(name string) bool { _, ok := o.members[name]; return ok }

// IsNull reports whether a member exists and is null. It does not read it.
func (o *Object) IsNull(name string) bool { return o.Has(name) && IsNull(o.members[name]) }

// IsObject reports whether a member exists and is an object. It does not read it.
func (o *Object) IsObject(name string) bool {
	return bytes.HasPrefix(bytes.TrimSpace(o.members[name]), []byte("{"))
}

// Ignore removes members, if they exist, whose values do not matter.
func (o *Object) Ignore(names ...string) {
	for _, name := range names {
		delete(o.members, name)
	}
}

// Take reads a required member and returns its JSON.
func (o *Object) Take(name string) json.RawMessage {
	if !o.Has(name) {
		o.Fail(name, "is missing", nil)
	}
	return o.Optional(name)
}

// Optional reads a member and returns its JSON, nil if the member is missing.
func (o *Object) Optional(name string) json.RawMessage {
	raw := o.members[name]
	delete(o.members, name)
	return raw
}

// read decodes a required member to v. The member must not be null. want names its type, for errors.
func (o *Object) read(name, want string, v any) {
	raw := o.Take(name)
	if o.err != nil {
		return
	}
	if IsNull(raw) {
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
		o.Ignore(name)
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
		o.Ignore(name)
		return nil
	}
	v := o.String(name)
	return &v
}

// Count reads a required member that is an integer from 0 to maxCount.
func (o *Object) Count(name string) int {
	raw := o.Take(name)
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
		if err := json.Unmarshal(raw, &v[i]); err != nil || IsNull(raw) {
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
func (o *Object) Object(name string) *Object {
	inner, err := Read(o.child(name), o.Take(name))
	if err != nil {
		o.FailWith(err)
		return Empty(o.child(name))
	}
	return inner
}

// Elements reads a required member that is a list of n elements, as an object whose members are named
// "0", "1" and so on. The caller reads the result and then passes it to Adopt.
func (o *Object) Elements(name string) (inner *Object, n int) {
	list := o.List(name)
	inner = &Object{path: o.child(name), members: make(map[string]json.RawMessage)}
	for i, raw := range list {
		inner.members[strconv.Itoa(i)] = raw
	}
	return inner, len(list)
}

// child returns the path of a member.
func (o *Object) child(name string) string {
	if strings.Contains(o.path, ": ") {
		return o.path + "." + name
	}
	return o.path + ": " + name
}

// Choice reads a required member that is a string and is named first or second. It reports whether it is
// second.
func (o *Object) Choice(first, second string) (v string, isSecond bool) {
	if o.Has(second) {
		return o.String(second), true
	}
	return o.String(first), false
}
