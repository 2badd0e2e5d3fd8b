package core

import (
	"context"

	"kenserve/runtime"
)

// Engine is what the core needs of the runtime. All methods may be called from
// any goroutine.
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

	// Ready is nil when the base is loaded and the store reachable.
	Ready() error
}
