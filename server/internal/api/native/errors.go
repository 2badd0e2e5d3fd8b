package native

import (
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

type nativeErrorBody struct {
	Error nativeErrorDetail `json:"error"`
}

type nativeErrorDetail struct {
	Message string       `json:"message"`
	Type    problem.Kind `json:"type"`
	Field   *string      `json:"field" doc:"The JSON path of what is wrong, or null."`
}

// encodeError is {"error": {"message", "type", "field"}}.
func encodeError(p *problem.Problem) (int, []byte) {
	b := jsonbody.AppendString([]byte(`{"error":{"message":`), p.Message)
	b = jsonbody.AppendString(append(b, `,"type":`...), string(p.Kind))
	b = jsonbody.AppendStringOrNull(append(b, `,"field":`...), p.Field)
	return p.Status, append(b, "}}\n"...)
}
