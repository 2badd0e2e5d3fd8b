package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"kenserve/runtime"
)

// A kind is the class of an error, as clients and metrics see it.
type kind string

const (
	kindMalformed   kind = "malformed"
	kindNotFound    kind = "not_found"
	kindMethod      kind = "method_not_allowed"
	kindTimeout     kind = "timeout"
	kindTooLarge    kind = "too_large"
	kindEncoding    kind = "unsupported_encoding"
	kindValidation  kind = "validation"
	kindTask        kind = "task_unusable"
	kindOverloaded  kind = "overloaded"
	kindClient      kind = "client_closed"
	kindInternal    kind = "internal"
	kindUnavailable kind = "unavailable"

	kindUnauthorized kind = "unauthorized"
	kindForbidden    kind = "forbidden"
	kindEmpty        kind = "empty"
)

// statusClientClosed is what proxies log for a client that left early. Nobody
// receives it.
const statusClientClosed = 499

// retryAfter is the value of Retry-After, in seconds. The queue is bounded to
// what the engine clears in about that time.
const retryAfter = "1"

// problem is an error as a client sees it. It knows nothing of the wire, so
// that each family of routes can write it in its own shape.
type problem struct {
	status  int
	kind    kind
	field   string // JSON path of what is wrong; empty when not about a field
	message string
	cause   error // for the log only
}

func (p *problem) Error() string { return p.message }

func (p *problem) Unwrap() error { return p.cause }

// The constructors name what recurs.

func malformed(format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, kind: kindMalformed, message: fmt.Sprintf(format, args...)}
}

// invalid takes a predicate of the field: its message is a sentence by itself,
// since some clients show nothing else.
func invalid(field, format string, args ...any) *problem {
	subject := field
	if subject == "" {
		subject = "the body"
	}
	return &problem{
		status: http.StatusUnprocessableEntity, kind: kindValidation,
		field: field, message: subject + " " + fmt.Sprintf(format, args...),
	}
}

func noTask(field, name string) *problem {
	return &problem{status: http.StatusNotFound, kind: kindNotFound, field: field, message: fmt.Sprintf("there is no task %s", quote(name))}
}

func internal(cause error, message string) *problem {
	return &problem{status: http.StatusInternalServerError, kind: kindInternal, message: message, cause: cause}
}

func unavailable(cause error, message string) *problem {
	return &problem{status: http.StatusServiceUnavailable, kind: kindUnavailable, message: message, cause: cause}
}

// errShutdown is the cause of a request's context that was cancelled because
// the drain deadline passed.
var errShutdown = errors.New("server is shutting down")

// problemOf says what a client is told about err.
func problemOf(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	switch {
	case errors.Is(err, runtime.ErrClosed):
		return unavailable(err, "the server is shutting down")
	case errors.Is(err, runtime.ErrBusy):
		return &problem{status: http.StatusTooManyRequests, kind: kindOverloaded, message: "too many requests are waiting, try again later", cause: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errShutdown):
			return unavailable(err, "the server is shutting down")
		case errors.Is(cause, context.DeadlineExceeded):
			return unavailable(err, "no answer in time")
		case cause != nil:
			return &problem{status: statusClientClosed, kind: kindClient, message: "the client closed the request", cause: err}
		}
	}
	return internal(err, "internal error")
}

// quote makes a name that came from outside safe and short enough to show.
func quote(name string) string {
	const most = 128
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}
