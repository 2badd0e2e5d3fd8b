package wire

import (
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/internal/settings"
)

// WithRefused adds the members that a table refuses to the schema of an object: each
// may only be null or a value that changes nothing. A setting that may
// be an empty object has no other such value. An object without unknown members gets the
// members that change nothing, too.
func WithRefused(s *huma.Schema, others settings.Table) *huma.Schema {
	for _, other := range others {
		if other.Refused == "" {
			if closed, ok := s.AdditionalProperties.(bool); ok && !closed {
				s.Properties[other.Name] = &huma.Schema{Description: "Changes nothing: " + other.Harmless + "."}
			}
			continue
		}
		member := &huma.Schema{Description: "Not supported: " + other.Refused + ".", Enum: []any{nil}}
		if slices.Contains(other.Allowed, "{}") {
			member.Enum = nil
			member.AnyOf = []*huma.Schema{{Type: "null"}, {Type: huma.TypeObject, MaxProperties: new(0)}}
			s.Properties[other.Name] = member
			continue
		}
		for _, text := range other.Allowed {
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				panic("wire: setting " + other.Name + ": its allowed value is not JSON: " + text)
			}
			member.Enum = append(member.Enum, value)
		}
		s.Properties[other.Name] = member
	}
	return s
}
