package server

import (
	"context"
	"errors"
	"net/http"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// errShutdown is the cause of a request's context that was cancelled because
// the drain deadline passed.
var errShutdown = errors.New("server is shutting down")

// problemOf says what a client is told about err.
func problemOf(ctx context.Context, err error) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	switch {
	case errors.Is(err, runtime.ErrClosed):
		return problem.Unavailable(err, "the server is shutting down")
	case errors.Is(err, runtime.ErrBusy):
		return &problem.Problem{Status: http.StatusTooManyRequests, Kind: problem.KindOverloaded, Message: "too many requests are waiting, try again later", Cause: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errShutdown):
			return problem.Unavailable(err, "the server is shutting down")
		case errors.Is(cause, context.DeadlineExceeded):
			return problem.Unavailable(err, "no answer in time")
		case cause != nil:
			return &problem.Problem{Status: problem.StatusClientClosed, Kind: problem.KindClient, Message: "the client closed the request", Cause: err}
		}
	}
	return problem.Internal(err, "internal error")
}

// retryAfter is the value of Retry-After, in seconds. The queue is bounded to
// what the engine clears in about that time.
const retryAfter = "1"
