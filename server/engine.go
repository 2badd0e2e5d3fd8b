package server

import (
	"context"
	"io"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/core"
)

// Engine is what the server needs of the runtime. All methods may be called
// from any goroutine.
type Engine interface {
	core.Engine

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

	// Inspect calls f with a task's delta and the base's tensors, which are
	// valid, and not to be written, until f returns. Its errors are those of
	// Classify, and f's.
	Inspect(ctx context.Context, task string, f func(d *delta.Delta, base delta.Tensors) error) error

	// Stats is a snapshot of the engine's counters.
	Stats() runtime.Stats
}

var _ Engine = (*runtime.Engine)(nil)
