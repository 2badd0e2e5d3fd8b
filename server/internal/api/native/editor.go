package native

import (
	"context"
	"io"

	"kenserve/runtime"
)

// Editor changes the tasks of the store. All methods may be called from any
// goroutine.
type Editor interface {
	// Put makes what r reads the task's delta. It is checked whole against the
	// base first; if it does not fit, which is a [runtime.ErrTaskUnusable], or
	// if r fails, the task stays what it was. size is the delta's bytes, or
	// negative if it is not known. Like all changes it takes effect at once for
	// the requests that come after it; those under way finish on what was.
	Put(ctx context.Context, task string, r io.Reader, size int64) (runtime.TaskInfo, error)
	// Copy is Put of the delta of another task of the store.
	Copy(ctx context.Context, task, source string) (runtime.TaskInfo, error)
	// Remove takes the task out of the store and out of memory.
	Remove(ctx context.Context, task string) error
}
