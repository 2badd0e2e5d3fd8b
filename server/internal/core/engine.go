package core

import (
	"context"

	"kenserve/runtime"
)

// Engine is the part of the runtime that the core calls. All methods may be
// called from any goroutine.
type Engine interface {
	// Classify returns one row of scores for each input. It returns ctx's error
	// when ctx ends. Other errors wrap [runtime.ErrNoTask],
	// [runtime.ErrTaskUnusable], [runtime.ErrStoreAway], [runtime.ErrNoSpace],
	// [runtime.ErrTooLong], [runtime.ErrBusy] or [runtime.ErrClosed]; a [runtime.InputError] tells which input is at fault.
	// Without inputs the result has the task's labels alone.
	Classify(ctx context.Context, task string, inputs []runtime.Input, opts runtime.Options) (*runtime.Result, error)
	// Tasks lists the tasks of the store, sorted by name.
	Tasks() ([]runtime.TaskInfo, error)
	// Task finds one task of the store by name. Its errors wrap [runtime.ErrNoTask],
	// [runtime.ErrTaskUnusable] or [runtime.ErrStoreAway].
	Task(name string) (runtime.TaskInfo, error)

	// Load returns when the task is in memory. Its errors are those of Classify.
	Load(ctx context.Context, task string) error
	// Unload makes the task cold; the store keeps it. It returns when the task's
	// memory is free, or will be once the requests that use it have ended. Its
	// errors are those of Classify.
	Unload(ctx context.Context, task string) error

	// Ready returns nil when the base is loaded and the store can be reached.
	Ready() error
}
