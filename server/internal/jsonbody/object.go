package jsonbody

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"kenserve/server/internal/problem"
)

// Object reads the JSON objects of one wire type. It finds members by name: a
// wire type is a struct whose tags name the members, and [NewObject] binds a
// function to each name. Make an Object in a package variable, so that a name
// without its counterpart is found when the program starts.
type Object[P embedsParser] struct {
	members []member[P]
	open    bool   // the type allows members that it does not name
	names   string // of the members, for an error
}

type member[P embedsParser] struct {
	name     string
	required bool
	read     func(p P, at problem.Path)
}

// embedsParser is a *Parser, or a pointer to a type that embeds a Parser.
type embedsParser interface{ base() *Parser }

// NewObject binds the members of the wire type W to the functions that read
// their values. It panics if a member has no function, if a function has no
// member, and for more than 64 members.
//
// A member is required unless its tag says omitempty. Unknown members are
// skipped if W has the field `_ struct{}` with the tag additionalProperties:"true",
// which the OpenAPI document shows too, and rejected otherwise.
func NewObject[W any, P embedsParser](read map[string]func(p P, at problem.Path)) *Object[P] {
	wire := reflect.TypeFor[W]()
	o := new(Object[P])
	var names []string
	for _, f := range reflect.VisibleFields(wire) {
		if f.Name == "_" {
			o.open = f.Tag.Get("additionalProperties") == "true"
		}
		if !f.IsExported() {
			continue
		}
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if read[name] == nil {
			panic(fmt.Sprintf("jsonbody: member %q of %s has no function that reads it", name, wire))
		}
		o.members = append(o.members, member[P]{name, rest != "omitempty", read[name]})
		names = append(names, name)
	}
	for name := range read {
		if !slices.Contains(names, name) {
			panic(fmt.Sprintf("jsonbody: %s has no member %q", wire, name))
		}
	}
	if len(names) > 64 {
		panic(fmt.Sprintf("jsonbody: %s has %d members, at most 64 are supported", wire, len(names)))
	}
	o.names = strings.Join(names, " and ")
	return o
}

// Read reads the object at a path. A member that appears twice is a syntax
// error.
func (o *Object[P]) Read(p P, at problem.Path) {
	r := p.base()
	if r.Peek() != '{' {
		r.Skip()
		r.Reject(at, "must be a JSON object")
		return
	}
	var seen uint64 // bit i: members[i]
	for name := range r.Members {
		i := slices.IndexFunc(o.members, func(m member[P]) bool { return m.name == name })
		switch {
		case i < 0:
			r.Skip()
			if !o.open {
				r.Reject(at, "has an unknown member %s; it may have %s", problem.Quote(name), o.names)
			}
		case seen&(1<<i) != 0:
			r.fail("member %q appears twice", name)
		default:
			seen |= 1 << i
			o.members[i].read(p, at.Member(o.members[i].name))
		}
	}
	for i, m := range o.members {
		if m.required && seen&(1<<i) == 0 {
			r.Reject(at.Member(m.name), "is required")
		}
	}
}

// ReadOrNull is Read, or null for no object.
func (o *Object[P]) ReadOrNull(p P, at problem.Path) {
	if !p.base().Null() {
		o.Read(p, at)
	}
}
