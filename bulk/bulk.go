// Package bulk classifies many texts with one delta, without a server.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/runtime"
)

// BatchTexts is how many texts are classified at a time.
const BatchTexts = 256

// Classifier is an engine with one task.
type Classifier struct {
	Engine *runtime.Engine
	Task   string // its name in the engine
}

// Open opens an engine with one task, the delta in file. configure, if there
// is any, changes the configuration before.
func Open(ctx context.Context, file, base string, cache *delta.Cache, compute gemm.Compute, configure ...func(*runtime.Config)) (*Classifier, error) {
	task, ok := delta.TaskName(file)
	if !ok {
		task = "task" // a delta may be looked at under any name
	}
	config := runtime.Config{
		BaseDir: base, Store: delta.Single{Task: task, Path: file}, Cache: cache, Budget: math.MaxInt64, Pin: []string{task}, Compute: compute, Log: slog.New(slog.DiscardHandler),
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

// Close ends the engine.
func (c *Classifier) Close() error { return c.Engine.Close() }

// Classify classifies examples; an error about one names its line.
func (c *Classifier) Classify(ctx context.Context, batch []dataset.Example, o runtime.Options) (*runtime.Result, error) {
	r, err := c.Engine.Classify(ctx, c.Task, Inputs(batch), o)
	var input *runtime.InputError
	if errors.As(err, &input) {
		return nil, fmt.Errorf("input line %d: %w", batch[input.Index].Line(), err)
	}
	if reason := errors.Unwrap(err); errors.Is(err, runtime.ErrTaskUnusable) && reason != nil {
		// Over HTTP a task's error names only a class; here the reason is wanted.
		return nil, reason
	}
	return r, err
}

// Inputs are the examples' texts.
func Inputs(batch []dataset.Example) []runtime.Input {
	out := make([]runtime.Input, len(batch))
	for i, e := range batch {
		out[i] = runtime.Input{Text: e.Text, Pair: e.Pair}
	}
	return out
}
