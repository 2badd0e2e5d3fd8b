package native

import (
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

// nativeErrorBody is the wire type of an error.
type nativeErrorBody struct {
	Error nativeErrorDetail `json:"error"`
}

type nativeErrorDetail struct {
	Message string       `json:"message"`
	Type    problem.Kind `json:"type"`
	Field   *string      `json:"field" doc:"JSON path of the field at fault. Null: no single field."`
}

// encodeError is the [route.ErrorEncoder] of the native API.
func encodeError(p *problem.Problem) (int, []byte) {
	b := jsonbody.AppendString([]byte(`{"error":{"message":`), p.Message)
	b = jsonbody.AppendString(append(b, `,"type":`...), string(p.Kind))
	b = jsonbody.AppendStringOrNull(append(b, `,"field":`...), p.Field)
	return p.Status, append(b, "}}\n"...)
}
