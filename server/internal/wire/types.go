// Package wire has the JSON that several APIs share: texts, pairs, names of tasks,
// labels with scores.
//
// A wire type is a struct that describes a JSON object. The OpenAPI document is
// generated from wire types, and takes the names of its schemas from theirs, which
// is why types of the APIs carry a prefix such as tei or vllm. Parsers take the
// names of members from wire types (see [jsonbody.Object]). Answers are encoded
// from them or, where it has to be fast, compared with them in tests.
//
// Requests are not decoded into wire types: most are unions, errors must name the
// field at fault, and limits must hold before memory is taken.
package wire

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// ExampleText is the text in examples of the OpenAPI document.
const ExampleText = "Where is the Eiffel Tower?"

// Optional is a T or null.
type Optional[T any] struct{}

// Schema implements [huma.SchemaProvider].
func (Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// Null is null.
type Null struct{}

// Schema implements [huma.SchemaProvider].
func (Null) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: "null"} }

// AnyBody is an object with any members.
type AnyBody struct {
	_ struct{} `additionalProperties:"true"`
}

// Task is the name of a task.
type Task string

// taskPattern matches the names that [delta.ValidTask] accepts.
const taskPattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`

// Schema implements [huma.SchemaProvider].
func (Task) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: taskPattern, Examples: []any{"trec"}}
}

// input is the wire type of a text or a pair.
type input struct {
	Text textValue           `json:"text"`
	Pair Optional[textValue] `json:"text_pair,omitempty" doc:"The second text of a pair."`
}

// textValue is a text to classify.
type textValue string

// Schema implements [huma.SchemaProvider].
func (textValue) Schema(huma.Registry) *huma.Schema { return TextSchema() }

// Inputs is a text, an [input], or a list of those.
type Inputs struct{}

// Schema implements [huma.SchemaProvider].
func (Inputs) Schema(r huma.Registry) *huma.Schema {
	object := r.Schema(reflect.TypeFor[input](), true, "")
	return &huma.Schema{AnyOf: []*huma.Schema{
		TextSchema(), object, ListSchema(&huma.Schema{AnyOf: []*huma.Schema{TextSchema(), object}}, LimitTexts),
	}}
}

// Score is a label with its score.
type Score struct {
	Label string  `json:"label"`
	Score float32 `json:"score" doc:"A probability, or a logit if the request asks for raw scores."`
}

// TextSchema is the schema of a text to classify.
func TextSchema() *huma.Schema {
	return WithLimit(&huma.Schema{Type: huma.TypeString}, limitTextBytes)
}

// ListSchema is the schema of a list that is not empty and that a limit bounds.
func ListSchema(items *huma.Schema, limit string) *huma.Schema {
	return WithLimit(&huma.Schema{Type: huma.TypeArray, Items: items, MinItems: new(1)}, limit)
}

// OneOfOrNull is the schema of one of the words, or null.
func OneOfOrNull(words []string) *huma.Schema {
	s := &huma.Schema{}
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	s.Enum = append(s.Enum, nil)
	return s
}
