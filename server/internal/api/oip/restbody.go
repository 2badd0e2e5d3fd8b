package oip

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/server/internal/wire"
)

// inferBody is the wire type of a request over REST; the other types are its parts.
type (
	inferBody struct {
		_          struct{}                        `additionalProperties:"true"`
		Inputs     []inferInput                    `json:"inputs" minItems:"1" maxItems:"16" doc:"The tensor text and, for pairs, text_pair."`
		ID         *string                         `json:"id,omitempty" nullable:"true" doc:"The answer repeats it."`
		Parameters wire.Optional[inferSettings]    `json:"parameters,omitempty"`
		Outputs    wire.Optional[[]inferRequested] `json:"outputs,omitempty" doc:"Outputs to return. Default: all."`
	}
	inferSettings struct {
		_         struct{} `additionalProperties:"true"`
		Binary    *bool    `json:"binary_data_output,omitempty" nullable:"true" doc:"Return outputs without the parameter binary_data as binary data."`
		RawScores *bool    `json:"raw_scores,omitempty" nullable:"true" doc:"Return logits instead of probabilities."`
		Truncate  *bool    `json:"truncate,omitempty" nullable:"true" doc:"Cut inputs that are longer than the model takes. Default: true."`
	}
	inferInput struct {
		_          struct{}                          `additionalProperties:"true"`
		Name       string                            `json:"name"`
		Shape      []int32                           `json:"shape" minimum:"0" maximum:"2147483647" minItems:"1" maxItems:"8" doc:"Any shape with one element for each text."`
		Datatype   string                            `json:"datatype" enum:"BYTES"`
		Data       inferData                         `json:"data,omitempty" doc:"The texts, in one list or in nested lists. Instead of it a tensor may have the parameter binary_data_size."`
		Parameters wire.Optional[inferInputSettings] `json:"parameters,omitempty"`
	}
	inferInputSettings struct {
		_    struct{} `additionalProperties:"true"`
		Size int32    `json:"binary_data_size,omitempty" minimum:"0" maximum:"2147483647" doc:"Number of bytes of this tensor after the JSON, by the binary tensor data extension."`
	}
	inferRequested struct {
		_          struct{}                           `additionalProperties:"true"`
		Name       string                             `json:"name" enum:"label,score,probabilities"`
		Parameters wire.Optional[inferOutputSettings] `json:"parameters,omitempty"`
	}
	inferOutputSettings struct {
		_       struct{} `additionalProperties:"true"`
		Binary  *bool    `json:"binary_data,omitempty" nullable:"true" doc:"Return the output after the JSON of the answer, as binary data."`
		Classes int32    `json:"classification,omitempty" minimum:"0" maximum:"2147483647" doc:"For probabilities only: return this many classes as score:index:label, best first."`
	}
)

// TransformSchema implements [huma.SchemaTransformer].
func (inferBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherMembers)
}

// TransformSchema implements [huma.SchemaTransformer].
func (inferSettings) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherParameters)
}

// TransformSchema implements [huma.SchemaTransformer].
func (inferInput) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherInputMembers)
}

// TransformSchema implements [huma.SchemaTransformer].
func (inferInputSettings) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherInputParameters)
}

// TransformSchema implements [huma.SchemaTransformer].
func (inferRequested) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherOutputMembers)
}

// TransformSchema implements [huma.SchemaTransformer].
func (inferOutputSettings) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return wire.WithRefused(s, otherOutputParameters)
}

// inferData is a text or a list of inferData.
type inferData struct{}

// TransformSchema implements [huma.SchemaTransformer].
func (inferData) TransformSchema(r huma.Registry, _ *huma.Schema) *huma.Schema {
	itself := r.Schema(reflect.TypeFor[inferData](), true, "")
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeArray, Items: itself}}}
}
