package jsonbody

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"kenserve/internal/settings"
	"kenserve/server/internal/problem"
)

// Object reads JSON objects of one wire type, for a parser of type P. A wire type
// is a struct whose tags name the members of the object; [NewObject] binds a
// function to each name. Keep Objects in package variables: then a name that only
// the type or only the functions have is found when the program starts.
type Object[P embedsParser] struct {
	members []member[P]
	open    bool // unknown members are skipped
	others  settings.Table
	names   string // of the members, for errors
}

type member[P embedsParser] struct {
	name     string
	required bool
	read     func(p P, at problem.Path)
}

// embedsParser is *Parser or a pointer to a type that embeds a Parser.
type embedsParser interface{ base() *Parser }

// NewObject binds each member of the wire type W to the function that reads its
// value. It panics if a member has no function, if a function has no member, or if
// W has more than 64 members.
//
// A member is required unless its tag has omitempty. Unknown members whose name is a
// known one in another spelling are rejected. Others are skipped
// if W has the field `_ struct{}` with the tag additionalProperties:"true", which
// the OpenAPI document is made from too, and rejected otherwise.
//
// The tables have other members that clients may send: those that change no answer
// are skipped, and those that are refused are rejected with their remedy unless
// they have a value that changes nothing. No table has a member of W.
func NewObject[W any, P embedsParser](read map[string]func(p P, at problem.Path), others ...settings.Table) *Object[P] {
	wire := reflect.TypeFor[W]()
	o := &Object[P]{others: slices.Concat(others...)}
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
		if _, ok := o.others.Find(name); ok {
			panic(fmt.Sprintf("jsonbody: member %q of %s is in a table of other members, too", name, wire))
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
	if n := len(names); n > 2 {
		o.names = strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return o
}

// similar returns the member or the name in a table that an unknown name differs from
// in case, hyphens and underscores only, as topK from top_k; empty: none.
func (o *Object[P]) similar(name string) string {
	if len(name) > 100 {
		return ""
	}
	plain := plainName(name)
	for _, m := range o.members {
		if plainName(m.name) == plain {
			return m.name
		}
	}
	for _, other := range o.others {
		if other.Refused != "" && plainName(other.Name) == plain {
			return other.Name
		}
	}
	return ""
}

func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}

// Read reads the object at a path with the functions of its members. A member
// that appears twice is a syntax error.
func (o *Object[P]) Read(p P, at problem.Path) {
	r := p.base()
	if r.Peek() != '{' {
		r.Unexpected(at, "an object")
		return
	}
	var seen uint64 // bit i: members[i]
	for name := range r.Members {
		i := slices.IndexFunc(o.members, func(m member[P]) bool { return m.name == name })
		switch {
		case i < 0:
			r.Peek() // skips the space before the value
			start := r.pos
			r.Skip()
			switch other, ok := o.others.Find(name); {
			case ok && other.Refused != "" && !other.Allows([]byte(r.text[start:r.pos])):
				r.Reject(at.Member(other.Name), "is not supported here: %s", other.Refused)
			case ok:
			case o.similar(name) != "":
				r.RejectAs(problem.Unknown(at, name, "did you mean "+problem.Quote(o.similar(name))+"?"))
			case !o.open:
				r.RejectAs(problem.Unknown(at, name, "it may have "+o.names))
			}
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

// ReadOrNull is Read for a member that may be null instead of an object.
func (o *Object[P]) ReadOrNull(p P, at problem.Path) {
	if !p.base().Null() {
		o.Read(p, at)
	}
}
