// Package failure holds the errors that the parts of the engine share: those
// that a caller tells apart, and the error of a task whose delta cannot be
// loaded. Package runtime exports what its callers need.
//
// A message that a client may see never names a path. So the error of a task
// has two faces: its message names the class of the reason, and the reason
// itself is kept for the log.
package failure

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/internal/lfs"
	"kenserve/internal/regular"
	"kenserve/safetensors"
)

var (
	// ErrNoTask means that the store has no task of that name.
	ErrNoTask = errors.New("no such task")
	// ErrTaskUnusable means that the task's delta cannot be loaded, or not be computed
	// with.
	ErrTaskUnusable = errors.New("task cannot be served")
	// ErrStoreAway means that the store cannot be reached now.
	ErrStoreAway = errors.New("the store cannot be reached")
	// ErrNoSpace means that a disk is full.
	ErrNoSpace = errors.New("no space left on the disk")
	// ErrBusy means that too much work is waiting already.
	ErrBusy = errors.New("too many requests waiting")
	// ErrClosed means that the engine is shutting down.
	ErrClosed = errors.New("engine closed")
)

// SlowError is an [ErrBusy]: the work would not be done by its deadline.
type SlowError struct {
	Need       time.Duration // to do it, by the measured speed
	RetryAfter time.Duration // when enough of the work that waits may be done
}

func (e *SlowError) Error() string {
	return fmt.Sprintf("%v: the work would take %s", ErrBusy, e.Need.Round(10*time.Millisecond))
}

// Is makes every SlowError an ErrBusy.
func (e *SlowError) Is(target error) bool { return target == ErrBusy }

// TaskError is an [ErrTaskUnusable] with its reason.
type TaskError struct {
	Task  string
	Class string // of the reason, for clients
	Err   error  // the reason, which may name paths; nil: the class says it all
}

func (e *TaskError) Error() string {
	return fmt.Sprintf("runtime: task %s: %v: %s", e.Task, ErrTaskUnusable, e.Class)
}

// Is makes every TaskError an ErrTaskUnusable.
func (e *TaskError) Is(target error) bool { return target == ErrTaskUnusable }

// Unwrap returns the reason.
func (e *TaskError) Unwrap() error { return e.Err }

// NotFinite is the class of a delta with which a text has a logit that is not a finite
// number.
const NotFinite = "its weights overflow: a logit is not a finite number"

// OfDisk returns err, as an ErrNoSpace if a disk is full.
func OfDisk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// Unusable turns an error of the store or the delta into the error that a
// request for the task gets: an ErrNoSpace, an ErrStoreAway, an ErrNoTask if the store
// has no such task, else a TaskError.
func Unusable(task string, err error) error {
	if full := OfDisk(err); errors.Is(full, ErrNoSpace) {
		return fmt.Errorf("runtime: task %s: %w", task, full)
	}
	if errors.Is(err, store.ErrAway) {
		return fmt.Errorf("runtime: task %s: %w: %w", task, ErrStoreAway, err)
	}
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("runtime: task %s: %w", task, ErrNoTask)
	}
	return &TaskError{Task: task, Class: class(err), Err: err}
}

// class sorts the reason why a delta cannot be loaded into words that tell a
// client what is wrong and nothing about the machine.
func class(err error) string {
	switch {
	case errors.Is(err, delta.ErrBase):
		return "its delta belongs to another base"
	case errors.Is(err, delta.ErrDigest):
		return "its delta is damaged"
	case errors.Is(err, lfs.ErrPointer):
		return "its delta is a Git LFS pointer, not the file itself"
	case errors.Is(err, delta.ErrCorrupt), errors.Is(err, safetensors.ErrCorrupt), errors.Is(err, regular.ErrNotRegular):
		return "its delta is not valid"
	case errors.As(err, new(*fs.PathError)):
		return "its delta cannot be read"
	}
	return "its delta does not fit the model"
}

// Cause returns the reason behind an error that a request may see, for the log.
func Cause(err error) error {
	if t, ok := errors.AsType[*TaskError](err); ok {
		return t.Err
	}
	return err
}

// Class returns the class of the reason why a delta is not served, in words that name
// nothing of the machine.
func Class(err error) string {
	if t, ok := errors.AsType[*TaskError](err); ok {
		return t.Class
	}
	for _, reason := range []error{ErrStoreAway, ErrNoSpace, ErrNoTask} {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return "it could not be loaded; the log has the reason"
}
