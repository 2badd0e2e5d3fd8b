package core

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"kenserve/internal/memory"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// ErrShutdown is the cause with which the server cancels the context of a request
// that still runs when the drain timeout has passed.
var ErrShutdown = errors.New("server is shutting down")

// ProblemOf turns any error of a request into a problem. ctx is the request's
// context: its cause tells a timeout, a shutdown and a client that closed the
// connection from each other.
func ProblemOf(ctx context.Context, err error) *problem.Problem {
	if p := problem.Of(err); p != nil {
		return p
	}
	if full, ok := errors.AsType[*memory.FullError](err); ok {
		return problem.Memory(full)
	}
	switch {
	case errors.Is(err, runtime.ErrStoreAway):
		return problem.Unavailable(err, "the store cannot be reached, and the task is not in memory; try again later")
	case errors.Is(err, runtime.ErrNoSpace):
		return &problem.Problem{
			Status: http.StatusInsufficientStorage, Kind: problem.KindNoSpace,
			Message: "the disk of the server is full; its operator must make room", Cause: err,
		}
	case errors.Is(err, runtime.ErrClosed):
		return problem.Unavailable(err, "the server is shutting down")
	case errors.Is(err, runtime.ErrBusy):
		p := problem.Overloaded("too many requests are waiting, try again later")
		p.Cause = err
		if slow, ok := errors.AsType[*runtime.SlowError](err); ok {
			p.Message = "the texts cannot be computed within the request timeout beside the work that waits; try again later, or send fewer texts"
			p.RetryAfter = slow.RetryAfter
		}
		return p
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

// TaskProblem is [ProblemOf] for an error of the engine about the task that a
// request names at a path.
func TaskProblem(ctx context.Context, err error, task string, at problem.Path) *problem.Problem {
	return classifyProblem(ctx, err, task, at, problem.Values{Name: "input"})
}

// classifyProblem is [TaskProblem] for a request with inputs: an error about one
// of them names its path.
func classifyProblem(ctx context.Context, err error, task string, at problem.Path, inputsAt problem.Values) *problem.Problem {
	switch {
	case errors.Is(err, runtime.ErrNoTask):
		return problem.NoTask(at, task)
	case errors.Is(err, runtime.ErrTaskUnusable):
		return &problem.Problem{
			Status: http.StatusFailedDependency, Kind: problem.KindTask,
			Field: at.String(), Message: strings.TrimPrefix(err.Error(), "runtime: "), Cause: err,
		}
	}
	at = problem.Field("input")
	input, ok := errors.AsType[*runtime.InputError](err)
	if ok {
		at = inputsAt.At(input.Index)
	}
	switch {
	case errors.Is(err, runtime.ErrTooLong):
		return problem.Invalid(at, "has more tokens than the model takes, and truncation is off")
	case ok && errors.Is(err, models.ErrTokenTypes):
		return problem.Invalid(at, "is a pair of texts, and the model takes single texts only: it has no token type for a second text")
	case ok && errors.Is(err, models.ErrEmpty):
		return problem.Invalid(at, "has no tokens: the tokenizer drops all of it and adds no special tokens")
	case ok && errors.Is(err, models.ErrBatch):
		return problem.Invalid(at, "has token ids that the model does not know")
	case ok:
		p := problem.Invalid(at, "cannot be tokenised")
		p.Cause = err
		return p
	}
	return ProblemOf(ctx, err)
}
