package route

import (
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

// ErrorEncoder writes a problem as the clients of an API expect it.
type ErrorEncoder func(p *problem.Problem) (status int, body []byte)

// PlainErrorBody is an error of the APIs whose errors are a message alone.
type PlainErrorBody struct {
	Error string `json:"error"`
}

// PlainError is {"error": message}.
func PlainError(p *problem.Problem) (int, []byte) {
	b := jsonbody.AppendString([]byte(`{"error":`), p.Message)
	return p.Status, append(b, "}\n"...)
}
