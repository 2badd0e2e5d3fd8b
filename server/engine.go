package server

import (
	"context"
	"io"

	"kenserve/delta"
	"kenserve/runtime"
)

// Engine is what the server needs of the runtime. All methods may be called
// from any goroutine.
type Engine interface {
	// Classify returns one row of scores an input. It gives up when ctx ends,
	// with the error of ctx. Other errors wrap [runtime.ErrNoTask],
	// [runtime.ErrTaskUnusable], [runtime.ErrTooLong], [runtime.ErrBusy] or
	// [runtime.ErrClosed]; a [runtime.InputError] tells which input is at fault.
	Classify(ctx context.Context, task string, inputs []runtime.Input, opts runtime.Options) (*runtime.Result, error)
	// Encode tokenises inputs once for several calls of Classify with the same
	// options. Its errors are those of Classify that are about inputs, or ctx's.
	Encode(ctx context.Context, inputs []runtime.Input, opts runtime.Options) ([]runtime.Input, error)
	// Tasks lists the tasks of the store, sorted by name.
	Tasks() ([]runtime.TaskInfo, error)
	// Task finds one task of the store.
	Task(name string) (runtime.TaskInfo, bool)

	// Load returns when the task is in memory, or cannot be. Its errors, and
	// those of Unload, are as those of Classify.
	Load(ctx context.Context, task string) error
	// Unload returns when the task's memory is free, or will be as soon as the
	// requests under way are done. The task stays in the store.
	Unload(ctx context.Context, task string) error

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
	// Ready is nil when the base is loaded and the store reachable.
	Ready() error
}

var _ Engine = (*runtime.Engine)(nil)
