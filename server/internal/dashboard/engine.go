package dashboard

import (
	"context"

	"kenserve/delta"
	"kenserve/runtime"
)

// Engine is what the dashboard needs of the runtime. All methods may be called
// from any goroutine.
type Engine interface {
	// Inspect calls f with a task's delta and the base's tensors, which are
	// valid, and not to be written, until f returns. Its errors are those of
	// Classify, and f's.
	Inspect(ctx context.Context, task string, f func(d *delta.Delta, base delta.Tensors) error) error

	// Stats is a snapshot of the engine's counters.
	Stats() runtime.Stats
}
