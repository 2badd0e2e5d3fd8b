package core

import (
	"context"
	"errors"
	"net/http"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// ErrShutdown is the cause of a request's context that was cancelled because
// the drain deadline passed.
var ErrShutdown = errors.New("server is shutting down")

// ProblemOf says what a client is told about err.
func ProblemOf(ctx context.Context, err error) *problem.Problem {
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
		case errors.Is(cause, ErrShutdown):
			return problem.Unavailable(err, "the server is shutting down")
		case errors.Is(cause, context.DeadlineExceeded):
			return problem.Unavailable(err, "no answer in time")
		case cause != nil:
			return &problem.Problem{Status: problem.StatusClientClosed, Kind: problem.KindClient, Message: "the client closed the request", Cause: err}
		}
	}
	return problem.Internal(err, "internal error")
}

// TaskProblem says what a client is told when the engine fails with err at a
// task that the request names at a path.
func TaskProblem(ctx context.Context, err error, task string, at problem.Path) *problem.Problem {
	return ProblemOf(ctx, taskProblem(err, task, at, problem.Values{}))
}
