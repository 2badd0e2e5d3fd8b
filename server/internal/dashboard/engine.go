package dashboard

import (
	"context"

	"kenserve/delta"
	"kenserve/runtime"
)

// Engine is the part of the runtime that the dashboard calls. All methods may be
// called from any goroutine.
type Engine interface {
	// Inspect calls f with the delta of a task and the tensors of the base. f must
	// not write them, and they are valid until f returns. The errors are f's, and
	// those of Classify.
	Inspect(ctx context.Context, task string, f func(d *delta.Delta, base delta.Tensors) error) error

	// Stats returns a snapshot of the engine's counters.
	Stats() runtime.Stats
}
