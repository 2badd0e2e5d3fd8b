package wire

import (
	"fmt"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/server/internal/core"
)

// limitExtension is a schema extension that names a limit. The value of the limit
// belongs to the server, not to the type; [ApplyLimits] inserts it.
const limitExtension = "x-limit"

// The limits that schemas can name.
const (
	LimitTexts     = "texts"     // maxItems of a list
	LimitTasks     = "tasks"     // maxItems of a list
	LimitIDs       = "ids"       // maximum of a token id
	limitTextBytes = "textBytes" // maxLength of a string: a character has at least one byte
)

// WithLimit makes s name a limit.
func WithLimit(s *huma.Schema, limit string) *huma.Schema {
	s.Extensions = map[string]any{limitExtension: limit}
	return s
}

// ApplyLimits replaces the names of limits in a schema and its parts by the
// server's values.
func ApplyLimits(schema *huma.Schema, limits core.Limits, largestID int) {
	if schema == nil {
		return
	}
	if limit, ok := schema.Extensions[limitExtension]; ok {
		delete(schema.Extensions, limitExtension)
		switch limit {
		case LimitTexts:
			schema.MaxItems = new(limits.MaxTexts)
		case LimitTasks:
			schema.MaxItems = new(limits.MaxTasks)
		case limitTextBytes:
			schema.MaxLength = new(limits.MaxTextBytes)
		case LimitIDs:
			schema.Maximum = new(float64(largestID))
		default:
			panic(fmt.Sprintf("wire: unknown limit %v", limit))
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
