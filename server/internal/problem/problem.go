// Package problem has the errors that clients see: a kind, an HTTP status, the
// path of the field at fault and a message. It knows no wire format. Each API
// encodes a [Problem] as its own clients expect.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kenserve/internal/memory"
)

// Kind is the class of an error in answers, logs and metrics.
type Kind string

// The kinds of problems.
const (
	KindMalformed    Kind = "malformed"
	KindUnauthorized Kind = "unauthorized"
	KindForbidden    Kind = "forbidden"
	KindNotFound     Kind = "not_found"
	KindMethod       Kind = "method_not_allowed"
	KindTimeout      Kind = "timeout"
	KindTooLarge     Kind = "too_large"
	KindEncoding     Kind = "unsupported_encoding"
	KindValidation   Kind = "validation"
	KindEmpty        Kind = "empty" // Text Embeddings Inference only
	KindTask         Kind = "task_unusable"
	KindOverloaded   Kind = "overloaded"
	KindClient       Kind = "client_closed"
	KindInternal     Kind = "internal"
	KindUnavailable  Kind = "unavailable"
	KindNoSpace      Kind = "no_space"
	KindConflict     Kind = "conflict"
)

// StatusClientClosed is the status that proxies log for a client that closed the
// connection early. No client receives it.
const StatusClientClosed = 499

// Problem is an error as a client sees it.
type Problem struct {
	Status  int // HTTP status; an API may answer with another one
	Kind    Kind
	Field   string // JSON path of the field at fault; empty: no single field
	Message string
	Cause   error // for the log only: it may name files
	// RetryAfter is when a request that was refused for load may succeed; 0: soon.
	RetryAfter time.Duration
}

func (p *Problem) Error() string { return p.Message }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Of returns the problem that err is or wraps, or nil.
func Of(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}

// Malformed is a body that cannot be read.
func Malformed(format string, args ...any) *Problem {
	return &Problem{Status: http.StatusBadRequest, Kind: KindMalformed, Message: fmt.Sprintf(format, args...)}
}

// Invalid is a field with a value that is not allowed. The format is a predicate
// of the field, such as "must be a string": with the path in front it makes a
// whole sentence, because some clients show the message only.
func Invalid(at Path, format string, args ...any) *Problem {
	field := at.String()
	subject := field
	if subject == "" {
		subject = "the body"
	}
	return &Problem{
		Status: http.StatusUnprocessableEntity, Kind: KindValidation,
		Field: field, Message: subject + " " + fmt.Sprintf(format, args...),
	}
}

// NoTask is a name that no task has.
func NoTask(at Path, name string) *Problem {
	return &Problem{Status: http.StatusNotFound, Kind: KindNotFound, Field: at.String(), Message: fmt.Sprintf("there is no task %s", Quote(name))}
}

// NoRoute is a path that the server does not answer.
func NoRoute() *Problem {
	return &Problem{Status: http.StatusNotFound, Kind: KindNotFound, Message: "there is no such route"}
}

// Overloaded is a request beyond a limit on concurrent work. Clients may retry
// it.
func Overloaded(message string) *Problem {
	return &Problem{Status: http.StatusTooManyRequests, Kind: KindOverloaded, Message: message}
}

// Memory is a request for which the memory of requests does not suffice: now, so that
// clients may retry it, or ever. err is a *[memory.FullError].
func Memory(err error) *Problem {
	if full, ok := errors.AsType[*memory.FullError](err); ok && full.Never {
		return &Problem{
			Status: http.StatusRequestEntityTooLarge, Kind: KindTooLarge, Cause: err,
			Message: "the request and its answer need more memory than the server has for one request; send fewer or shorter texts, or ask for fewer labels",
		}
	}
	p := Overloaded("too many bytes of requests are in memory, try again later")
	p.Cause = err
	return p
}

// Internal is a fault of the server.
func Internal(cause error, message string) *Problem {
	return &Problem{Status: http.StatusInternalServerError, Kind: KindInternal, Message: message, Cause: cause}
}

// Unavailable is a server that cannot answer now.
func Unavailable(cause error, message string) *Problem {
	return &Problem{Status: http.StatusServiceUnavailable, Kind: KindUnavailable, Message: message, Cause: cause}
}

// Unknown is a member that the object at a path must not have. advice says what to do.
// The request itself has no path; then the field is the member, in quotes if it has no
// name.
func Unknown(at Path, name, advice string) *Problem {
	p := Invalid(at, "has an unknown member %s; %s", Quote(name), advice)
	if p.Field == "" {
		p.Field = cmp.Or(shorten(name), `""`)
	}
	return p
}

// Quote quotes a name that a client sent, and shortens it to 128 bytes.
func Quote(name string) string { return fmt.Sprintf("%q", shorten(name)) }

// shorten shortens a name that a client sent to 128 bytes.
func shorten(name string) string {
	const maxBytes = 128
	if len(name) > maxBytes {
		return strings.ToValidUTF8(name[:maxBytes], "") + "…"
	}
	return name
}
