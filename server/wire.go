package server

import (
	"kenserve/server/internal/problem"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Wire types say what requests and answers look like in JSON, one struct an
// object. The OpenAPI document is generated from them (openapi.go), parsers take
// the names of members from them, and answers are either encoded from them or
// compared with them in tests. Requests are parsed by hand all the same: most
// are unions, whose errors have to name the field, and their bounds have to hold
// before memory is taken.

// memberList names the members of a request's object, in the order of its wire
// type's fields; the first few of them are required.
type memberList struct {
	names    []string
	required int
}

// membersOf reads a wire type. Its required fields come first.
func membersOf[T any]() memberList {
	var m memberList
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if !f.IsExported() {
			continue
		}
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if rest != "omitempty" {
			if m.required != len(m.names) {
				panic("server: " + f.Name + " is required, and comes behind what is not")
			}
			m.required++
		}
		m.names = append(m.names, name)
	}
	return m
}

// at is the place of the i-th member of the object at a place.
func (m memberList) at(object problem.Path, i int) problem.Path { return object.Member(m.names[i]) }

func (m memberList) index(name string) int { return slices.Index(m.names, name) }

// optional is a T or null.
type optional[T any] struct{}

// Schema implements [huma.SchemaProvider].
func (optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// limit is the extension by which a schema asks for a bound that is the
// server's, not the type's; [bounded] puts it in.
const limit = "x-limit"

// The bounds that there are.
const (
	limitTexts     = "texts"     // items of a list
	limitTextBytes = "textBytes" // length of a string; in bytes, of which a character has at least one
	limitTasks     = "tasks"     // items of a list
	limitIDs       = "ids"       // largest of a token's id
)

func limited(s *huma.Schema, name string) *huma.Schema {
	s.Extensions = map[string]any{limit: name}
	return s
}

// wireText is a text to classify.
func wireText() *huma.Schema {
	return limited(&huma.Schema{Type: huma.TypeString}, limitTextBytes)
}

// wireList is a list of 1 or more, bounded by one of the server's bounds.
func wireList(items *huma.Schema, bound string) *huma.Schema {
	return limited(&huma.Schema{Type: huma.TypeArray, Items: items, MinItems: ptr(1)}, bound)
}

func ptr[T any](v T) *T { return &v }

// wireTask is a task's name.
type wireTask string

// taskPattern is what [delta.ValidTask] takes.
const taskPattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`

// Schema implements [huma.SchemaProvider].
func (wireTask) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: taskPattern, Examples: []any{"trec"}}
}

// wireInput is a text or a pair.
type wireInput struct {
	Text wireString           `json:"text"`
	Pair optional[wireString] `json:"text_pair,omitempty" doc:"The second text of a pair."`
}

// wireString is a text to classify, as a member.
type wireString string

// Schema implements [huma.SchemaProvider].
func (wireString) Schema(huma.Registry) *huma.Schema { return wireText() }

// wireInputs is a text, a wireInput, or a list of either.
type wireInputs struct{}

// Schema implements [huma.SchemaProvider].
func (wireInputs) Schema(r huma.Registry) *huma.Schema {
	object := r.Schema(reflect.TypeFor[wireInput](), true, "")
	return &huma.Schema{AnyOf: []*huma.Schema{
		wireText(), object, wireList(&huma.Schema{AnyOf: []*huma.Schema{wireText(), object}}, limitTexts),
	}}
}

// wireScore is a label with its score.
type wireScore struct {
	Label string  `json:"label"`
	Score float32 `json:"score" doc:"A probability, or a logit if those were asked for."`
}

// wordOrNull is one of the words, or null.
func wordOrNull(words []string) *huma.Schema {
	s := &huma.Schema{}
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	s.Enum = append(s.Enum, nil)
	return s
}

// wireNull is null.
type wireNull struct{}

// Schema implements [huma.SchemaProvider].
func (wireNull) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: "null"} }
