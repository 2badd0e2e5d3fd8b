package runtime

import (
	"errors"

	"kenserve/runtime/internal/failure"
)

// Errors that a caller may have to tell apart.
var (
	// ErrNoTask means that the store has no task of that name.
	ErrNoTask = failure.ErrNoTask
	// ErrTaskUnusable means that the task's delta cannot be loaded: it is
	// damaged, belongs to another base, or is larger than the budget; or that its
	// logits are not finite. The message names the class of the reason, never a path.
	ErrTaskUnusable = failure.ErrTaskUnusable
	// ErrStoreAway means that the store cannot be reached now. Tasks in memory are
	// served meanwhile.
	ErrStoreAway = failure.ErrStoreAway
	// ErrNoSpace means that the disk of the store or of the cache is full.
	ErrNoSpace = failure.ErrNoSpace
	// ErrNoMemory means that Config.Memory is too small for what was asked.
	ErrNoMemory = errors.New("too little memory")
	// ErrReadOnly means that the store cannot be changed.
	ErrReadOnly = errors.New("the store is read-only")
	// ErrTooLong means that a text has too many tokens and the request does not
	// allow truncation.
	ErrTooLong = errors.New("text too long")
	// ErrBusy means that too much work is waiting already.
	ErrBusy = failure.ErrBusy
	// ErrBaseChanged means that the files of the base are not those that were loaded.
	// Requests are answered with the base that was loaded, and are right. A restart
	// would load other weights, so the engine is not ready. The message names no path.
	ErrBaseChanged = errors.New("the base's files have changed since they were loaded")
	// ErrClosed means that the engine is shutting down.
	ErrClosed = failure.ErrClosed
)

// SlowError is an [ErrBusy]: the request would not be answered by its deadline, by the
// measured speed and the work that waits.
type SlowError = failure.SlowError

// InputError is an error about one input of a request.
type InputError struct {
	Index int // of the input in the request
	Err   error
}

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }
