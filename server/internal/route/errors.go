package route

import (
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

// ErrorEncoder writes a problem in the format of an API.
type ErrorEncoder func(p *problem.Problem) (status int, body []byte)

// PlainErrorBody is the wire type of an error that is a message only.
type PlainErrorBody struct {
	Error string `json:"error"`
}

// PlainError is the [ErrorEncoder] of [PlainErrorBody].
func PlainError(p *problem.Problem) (int, []byte) {
	b := jsonbody.AppendString([]byte(`{"error":`), p.Message)
	return p.Status, append(b, "}\n"...)
}
