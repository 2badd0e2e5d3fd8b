package runtime

import (
	"context"
	"fmt"

	"kenserve/delta"
)

// Inspect calls f with a task's delta and the base's tensors. Both are read-only,
// and valid until f returns. The task is loaded if it is not in memory. The error
// is one of [Engine.Load], or the one that f returns.
func (e *Engine) Inspect(ctx context.Context, name string, f func(d *delta.Delta, base delta.Tensors) error) error {
	if !delta.ValidTask(name) {
		return fmt.Errorf("runtime: task %q: %w", name, ErrNoTask)
	}
	handle, err := e.loader.Acquire(ctx, name)
	if err != nil {
		return err
	}
	defer handle.Release()
	return f(taskOf(handle).delta, e.base.Checkpoint)
}
