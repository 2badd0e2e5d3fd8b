package runtime

import (
	"context"
	"fmt"
	"time"

	"kenserve/models"
	"kenserve/runtime/internal/failure"
	"kenserve/runtime/internal/sched"
	"kenserve/runtime/internal/storesync"
)

// probeTexts are computed with a delta before it takes effect. Weights that overflow do
// so with nearly every text.
var probeTexts = []Input{{Text: "a"}, {Text: "The quick brown fox, aged 7, jumps over 13 lazy dogs! ¿Cómo estás? Straße 日本 …"}}

// probe computes with a task that is not served yet. The error is an ErrTaskUnusable
// if a logit is not a finite number.
func (e *Engine) probe(ctx context.Context, name string, t storesync.Task) error {
	network, err := t.Warm()
	if err != nil {
		return failure.Unusable(name, err)
	}
	batch, _, err := e.encoder(&t.(*task).plan).encode(ctx, probeTexts, 0, Options{Truncate: true}, e.config.BatchTokens)
	if err != nil {
		return fmt.Errorf("runtime: try task %s: %w", name, err)
	}
	logits := make([]float32, len(batch.Ends)*len(t.Labels()))
	q := &sched.Request{
		Context: ctx, Task: probed{network}, Texts: batch, Logits: logits,
		Deadline: time.Now().Add(defaultDeadline),
		// The upload was admitted already.
		Continued: true,
	}
	if err := e.executor.Submit(q); err != nil {
		return err
	}
	if err := e.executor.Wait(q); err != nil {
		return fmt.Errorf("runtime: try task %s: %w", name, err)
	}
	if i := firstNotFinite(logits); i >= 0 {
		return &failure.TaskError{Task: name, Class: failure.NotFinite, Err: fmt.Errorf("label %s: the logit is %g", t.Labels()[i%len(t.Labels())], logits[i])}
	}
	return nil
}

// probed is the handle of a task that is not served yet. It implements
// sched.TaskHandle.
type probed struct{ network models.Network }

// Use implements sched.TaskHandle.
func (p probed) Use() (network models.Network, done func()) { return p.network, func() {} }
