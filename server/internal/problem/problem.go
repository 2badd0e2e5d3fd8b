// Package problem has the errors that clients are told.
package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kind is the class of an error, as clients and metrics see it.
type Kind string

const (
	KindMalformed   Kind = "malformed"
	KindNotFound    Kind = "not_found"
	KindMethod      Kind = "method_not_allowed"
	KindTimeout     Kind = "timeout"
	KindTooLarge    Kind = "too_large"
	KindEncoding    Kind = "unsupported_encoding"
	KindValidation  Kind = "validation"
	KindTask        Kind = "task_unusable"
	KindOverloaded  Kind = "overloaded"
	KindClient      Kind = "client_closed"
	KindInternal    Kind = "internal"
	KindUnavailable Kind = "unavailable"

	KindUnauthorized Kind = "unauthorized"
	KindForbidden    Kind = "forbidden"
	KindEmpty        Kind = "empty"
)

// StatusClientClosed is what proxies log for a client that left early. Nobody
// receives it.
const StatusClientClosed = 499

// Problem is an error as a client sees it. It knows nothing of the wire, so
// that each family of routes can write it in its own shape.
type Problem struct {
	Status  int
	Kind    Kind
	Field   string // JSON path of what is wrong; empty when not about a field
	Message string
	Cause   error // for the log only
}

func (p *Problem) Error() string { return p.Message }

func (p *Problem) Unwrap() error { return p.Cause }

// The constructors name what recurs.

func Malformed(format string, args ...any) *Problem {
	return &Problem{Status: http.StatusBadRequest, Kind: KindMalformed, Message: fmt.Sprintf(format, args...)}
}

// Invalid takes a predicate of the field: its message is a sentence by itself,
// since some clients show nothing else.
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

func NoTask(at Path, name string) *Problem {
	return &Problem{Status: http.StatusNotFound, Kind: KindNotFound, Field: at.String(), Message: fmt.Sprintf("there is no task %s", Quote(name))}
}

func NoRoute() *Problem {
	return &Problem{Status: http.StatusNotFound, Kind: KindNotFound, Message: "there is no such route"}
}

func Overloaded(message string) *Problem {
	return &Problem{Status: http.StatusTooManyRequests, Kind: KindOverloaded, Message: message}
}

func Internal(cause error, message string) *Problem {
	return &Problem{Status: http.StatusInternalServerError, Kind: KindInternal, Message: message, Cause: cause}
}

func Unavailable(cause error, message string) *Problem {
	return &Problem{Status: http.StatusServiceUnavailable, Kind: KindUnavailable, Message: message, Cause: cause}
}

// Of returns the problem that err wraps, nil if there is none.
func Of(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}

// Quote makes a name that came from outside safe and short enough to show.
func Quote(name string) string {
	const most = 128
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}
