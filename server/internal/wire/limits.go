package wire

import (
	"fmt"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/server/internal/core"
)

// limit is the extension by which a schema asks for a bound that is the
// server's, not the type's; [bounded] puts it in.
const limit = "x-limit"

// The bounds that there are.
const (
	LimitTexts     = "texts"     // items of a list
	limitTextBytes = "textBytes" // length of a string; in bytes, of which a character has at least one
	LimitTasks     = "tasks"     // items of a list
	LimitIDs       = "ids"       // largest of a token's id
)

func WithLimit(s *huma.Schema, name string) *huma.Schema {
	s.Extensions = map[string]any{limit: name}
	return s
}

// ApplyLimits puts the server's bounds where a schema and its parts ask for them.
func ApplyLimits(schema *huma.Schema, limits core.Limits, largestID int) {
	if schema == nil {
		return
	}
	if name, ok := schema.Extensions[limit]; ok {
		delete(schema.Extensions, limit)
		switch name {
		case LimitTexts:
			schema.MaxItems = Ptr(limits.MaxTexts)
		case LimitTasks:
			schema.MaxItems = Ptr(limits.MaxTasks)
		case limitTextBytes:
			schema.MaxLength = Ptr(limits.MaxTextBytes)
		case LimitIDs:
			schema.Maximum = Ptr(float64(largestID))
		default:
			panic(fmt.Sprintf("wire: no bound %v", name))
		}
	}
	ApplyLimits(schema.Items, limits, largestID)
	for _, part := range slices.Concat(schema.AnyOf, slices.Collect(maps.Values(schema.Properties))) {
		ApplyLimits(part, limits, largestID)
	}
	if part, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		ApplyLimits(part, limits, largestID)
	}
}
