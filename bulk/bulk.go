// Package bulk classifies many texts with one delta, without a server: it opens an
// engine with this one task and sends the texts in batches.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"kenserve/dataset"
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
	Engine *runtime.Engine
	Task   string // the task's name in the engine
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
	}
	for _, f := range configure {
		f(&config)
	}
	e, err := runtime.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Classifier{Engine: e, Task: task}, nil
}

// Close closes the engine.
func (c *Classifier) Close() error { return c.Engine.Close() }

// Classify classifies examples. If the error is about one of them, it names its line.
func (c *Classifier) Classify(ctx context.Context, batch []dataset.Example, o runtime.Options) (*runtime.Result, error) {
	r, err := c.Engine.Classify(ctx, c.Task, Inputs(batch), o)
	var input *runtime.InputError
	if errors.As(err, &input) {
		return nil, fmt.Errorf("classify line %d: %w", batch[input.Index].Line(), err)
	}
	if reason := errors.Unwrap(err); errors.Is(err, runtime.ErrTaskUnusable) && reason != nil {
		// The engine's message hides the reason, because clients of a server may see
		// it. The reason is an error of this user's own file.
		return nil, reason
	}
	return r, err
}

// Inputs returns the texts of examples as inputs of an engine.
func Inputs(batch []dataset.Example) []runtime.Input {
	out := make([]runtime.Input, len(batch))
	for i, e := range batch {
		out[i] = runtime.Input{Text: e.Text, Pair: e.Pair}
	}
	return out
}
