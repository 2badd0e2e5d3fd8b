package wire

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Wire types say what requests and answers look like in JSON, one struct an
// object. The OpenAPI document is generated from them (openapi.go), parsers take
// the names of members from them, and answers are either encoded from them or
// compared with them in tests. Requests are parsed by hand all the same: most
// are unions, whose errors have to name the field, and their bounds have to hold
// before memory is taken.

// Optional is a T or null.
type Optional[T any] struct{}

// Schema implements [huma.SchemaProvider].
func (Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// TextSchema is a text to classify.
func TextSchema() *huma.Schema {
	return WithLimit(&huma.Schema{Type: huma.TypeString}, limitTextBytes)
}

// ListSchema is a list of 1 or more, bounded by one of the server's bounds.
func ListSchema(items *huma.Schema, bound string) *huma.Schema {
	return WithLimit(&huma.Schema{Type: huma.TypeArray, Items: items, MinItems: Ptr(1)}, bound)
}

func Ptr[T any](v T) *T { return &v }

// Task is a task's name.
type Task string

// taskPattern is what [delta.ValidTask] takes.
const taskPattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`

// Schema implements [huma.SchemaProvider].
func (Task) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: taskPattern, Examples: []any{"trec"}}
}

// Input is a text or a pair.
type Input struct {
	Text textValue           `json:"text"`
	Pair Optional[textValue] `json:"text_pair,omitempty" doc:"The second text of a pair."`
}

// textValue is a text to classify, as a member.
type textValue string

// Schema implements [huma.SchemaProvider].
func (textValue) Schema(huma.Registry) *huma.Schema { return TextSchema() }

// Inputs is a text, a Input, or a list of either.
type Inputs struct{}

// Schema implements [huma.SchemaProvider].
func (Inputs) Schema(r huma.Registry) *huma.Schema {
	object := r.Schema(reflect.TypeFor[Input](), true, "")
	return &huma.Schema{AnyOf: []*huma.Schema{
		TextSchema(), object, ListSchema(&huma.Schema{AnyOf: []*huma.Schema{TextSchema(), object}}, LimitTexts),
	}}
}

// Score is a label with its score.
type Score struct {
	Label string  `json:"label"`
	Score float32 `json:"score" doc:"A probability, or a logit if those were asked for."`
}

// WordOrNull is one of the words, or null.
func WordOrNull(words []string) *huma.Schema {
	s := &huma.Schema{}
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	s.Enum = append(s.Enum, nil)
	return s
}

// Null is null.
type Null struct{}

// Schema implements [huma.SchemaProvider].
func (Null) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: "null"} }

// AnyBody is an object that is not looked into.
type AnyBody struct {
	_ struct{} `additionalProperties:"true"`
}
