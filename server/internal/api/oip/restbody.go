package oip

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/server/internal/wire"
)

// inferBody is a request on the wire, and what it is made of.
type (
	inferBody struct {
		_          struct{}                        `additionalProperties:"true"`
		Inputs     []inferInput                    `json:"inputs" minItems:"1" maxItems:"16" doc:"The tensor text, and text_pair if there are pairs."`
		ID         *string                         `json:"id,omitempty" nullable:"true" doc:"Repeated in the answer."`
		Parameters wire.Optional[inferSettings]    `json:"parameters,omitempty"`
		Outputs    wire.Optional[[]inferRequested] `json:"outputs,omitempty" doc:"What to return; all without."`
	}
	inferSettings struct {
		_         struct{} `additionalProperties:"true"`
		Binary    *bool    `json:"binary_data_output,omitempty" nullable:"true" doc:"Outputs that do not say otherwise are binary."`
		RawScores *bool    `json:"raw_scores,omitempty" nullable:"true" doc:"Logits instead of probabilities."`
		Truncate  *bool    `json:"truncate,omitempty" nullable:"true" doc:"Cut what is longer than the model takes, true without."`
	}
	inferInput struct {
		_          struct{}                          `additionalProperties:"true"`
		Name       string                            `json:"name"`
		Shape      []int32                           `json:"shape" minimum:"0" maximum:"2147483647" minItems:"1" maxItems:"8" doc:"Any, of one element a text."`
		Datatype   string                            `json:"datatype" enum:"BYTES"`
		Data       inferData                         `json:"data,omitempty" doc:"The texts, in lists of lists or in one; or else the parameter binary_data_size."`
		Parameters wire.Optional[inferInputSettings] `json:"parameters,omitempty"`
	}
	inferInputSettings struct {
		_    struct{} `additionalProperties:"true"`
		Size int32    `json:"binary_data_size,omitempty" minimum:"0" maximum:"2147483647" doc:"Bytes of this tensor behind the JSON, as the binary tensor data extension has it."`
	}
	inferRequested struct {
		_          struct{}                           `additionalProperties:"true"`
		Name       string                             `json:"name" enum:"label,score,probabilities"`
		Parameters wire.Optional[inferOutputSettings] `json:"parameters,omitempty"`
	}
	inferOutputSettings struct {
		_       struct{} `additionalProperties:"true"`
		Binary  *bool    `json:"binary_data,omitempty" nullable:"true" doc:"Behind the JSON of the answer."`
		Classes int32    `json:"classification,omitempty" minimum:"0" maximum:"2147483647" doc:"Of probabilities: that many classes, as score:index:label, best first."`
	}
)

// inferData is a text, or a list of such data.
type inferData struct{}

// TransformSchema implements [huma.SchemaTransformer].
func (inferData) TransformSchema(r huma.Registry, _ *huma.Schema) *huma.Schema {
	itself := r.Schema(reflect.TypeFor[inferData](), true, "")
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeArray, Items: itself}}}
}
