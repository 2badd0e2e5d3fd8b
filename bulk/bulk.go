// Package bulk classifies many texts with one delta, without a server: it opens an
// engine with this one task and sends the texts in batches, several at a time.
package bulk

import (
	"context"
	"log/slog"
	"math"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/runtime"
)

// BatchTexts is the number of texts in a batch. It bounds the memory for texts and
// scores; the engine cuts batches into forward passes by tokens.
const BatchTexts = 256

// Classifier is an engine with one task.
type Classifier struct {
	Engine  *runtime.Engine
	Task    string // the task's name in the engine
	compute gemm.Compute
}

// Open opens an engine over the base folder with one task, the delta in file. The task
// is pinned and has no memory limit. configure may change the engine's configuration
// before it is opened. Call Close afterwards.
func Open(ctx context.Context, file, base string, cache *store.Cache, compute gemm.Compute, configure ...func(*runtime.Config)) (*Classifier, error) {
	task, ok := delta.TaskName(file)
	if !ok {
		task = "task" // here a delta file may have any name
	}
	config := runtime.Config{
		BaseDir: base, Store: store.Single{Task: task, Path: file}, Cache: cache, Budget: math.MaxInt64, Pin: []string{task}, Compute: compute, Log: slog.New(slog.DiscardHandler),
		MaxWaiting: 1 << 20, MaxWaitingTokens: 1 << 30, // so that no batch is refused
	}
	for _, f := range configure {
		f(&config)
	}
	e, err := runtime.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Classifier{Engine: e, Task: task, compute: compute}, nil
}

// Close closes the engine.
func (c *Classifier) Close() error { return c.Engine.Close() }
