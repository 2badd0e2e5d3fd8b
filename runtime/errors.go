package runtime

import (
	"errors"
	"io/fs"

	"kenserve/delta"
	"kenserve/safetensors"
)

// What a caller may have to tell apart.
var (
	// ErrNoTask means that the store has no task of that name.
	ErrNoTask = errors.New("no such task")
	// ErrTaskUnusable means that the task's delta cannot be loaded: it is
	// damaged, belongs to another base, or is larger than the budget. The
	// message names the class of the reason, never a path.
	ErrTaskUnusable = errors.New("task cannot be loaded")
	// ErrReadOnly means that the store takes no changes.
	ErrReadOnly = errors.New("the store is read-only")
	// ErrTooLong means a text with more tokens than the model takes, in a
	// request that does not allow truncation.
	ErrTooLong = errors.New("text too long")
	// ErrBusy means that too much work is waiting already.
	ErrBusy = errors.New("too many requests waiting")
	// ErrClosed means that the engine is shutting down.
	ErrClosed = errors.New("engine closed")
)

// InputError says which input of a request an error is about.
type InputError struct {
	Index int // of the input in the request
	Err   error
}

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// class sorts the reason why a delta cannot be loaded into words that tell a
// client what is wrong and nothing about the machine.
func class(err error) string {
	switch {
	case errors.Is(err, delta.ErrBase):
		return "its delta belongs to another base"
	case errors.Is(err, delta.ErrDigest):
		return "its delta is damaged"
	case errors.Is(err, delta.ErrCorrupt), errors.Is(err, safetensors.ErrCorrupt), errors.Is(err, safetensors.ErrNotRegular):
		return "its delta is not valid"
	case errors.As(err, new(*fs.PathError)):
		return "its delta cannot be read"
	}
	return "its delta does not fit the model"
}
