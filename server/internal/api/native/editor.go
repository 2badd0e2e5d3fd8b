package native

import (
	"context"
	"io"

	"kenserve/runtime"
)

// Editor is the part of the runtime that changes the store. A change applies to
// all requests that come after it; requests under way finish with the old delta.
// All methods may be called from any goroutine.
type Editor interface {
	// Put reads a delta from r and makes it the task's. It checks the whole delta
	// against the base first. If the delta does not fit, which is a
	// [runtime.ErrTaskUnusable], or if r fails, the task does not change. size is
	// the length of the delta in bytes, negative if it is not known.
	Put(ctx context.Context, task string, r io.Reader, size int64) (runtime.TaskInfo, error)
	// Copy is Put with the delta of another task of the store.
	Copy(ctx context.Context, task, source string) (runtime.TaskInfo, error)
	// Remove deletes the task from the store and from memory.
	Remove(ctx context.Context, task string) error
}
