package route

import (
	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

// Unanswered returns operations for routes that an API has and a task cannot answer.
// They answer p, in the format encode, so that a client of that API sees why. They
// are not in the OpenAPI document.
func Unanswered(encode ErrorEncoder, p problem.Problem, method string, paths ...string) []Operation {
	operations := make([]Operation, len(paths))
	for i, path := range paths {
		operations[i] = Operation{
			Method: method, Path: path, Hidden: true, EncodeError: encode,
			Handle: func(*gin.Context, *core.RequestState) error { return new(p) },
		}
	}
	return operations
}
