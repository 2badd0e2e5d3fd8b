package runtime

import (
	"context"
	"time"

	"kenserve/models"
	"kenserve/runtime/internal/sched"
	"kenserve/runtime/internal/storesync"
	"kenserve/tokenizer"
)

// compute runs inputs through the executor and stores their logits. Texts are
// encoded about a batch at a time, and the next ones while the first are
// computed; so what waits is bounded by the batch and not by the call.
func (e *Engine) compute(ctx context.Context, handle storesync.Handle, inputs []Input, opts Options, r *Result, logits []float32) (err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(e.config.Deadline)
	}
	var under []*sched.Request // submitted and not waited for, in order
	defer func() {
		for _, q := range under { // only after an error
			e.executor.Abandon(q, err)
		}
	}()
	// A request that would be refused is not worth encoding.
	if err := e.executor.Admit(); err != nil {
		return err
	}
	ahead := 2 * e.config.Workers
	labels := len(r.Labels)
	var began, ended time.Time
	for first := 0; first < len(inputs) || len(under) > 0; {
		if first < len(inputs) && len(under) < ahead {
			start := time.Now()
			batch, err := e.encode(inputs[first:], first, opts)
			if err != nil {
				return err
			}
			n := len(batch.Ends)
			if inputs[first].types == nil { // Encode had its own
				spanTokens(ctx, start, n, len(batch.IDs))
			}
			q := &sched.Request{
				Context: ctx, Task: handle, Name: r.Task, Batch: batch, Logits: logits[first*labels : (first+n)*labels],
				Deadline: deadline, Continued: first > 0,
			}
			if err := e.executor.Submit(q); err != nil {
				return err
			}
			under = append(under, q)
			first += n
			continue
		}
		q := under[0]
		under = under[1:]
		if err := e.executor.Wait(q); err != nil {
			return err
		}
		spanBatch(ctx, q)
		if began.IsZero() {
			began = q.Began
			r.Queue = began.Sub(q.Arrived)
		}
		if q.Ended.After(ended) {
			ended = q.Ended
		}
		r.Tokens += len(q.Batch.IDs)
	}
	r.Inference = ended.Sub(began)
	return nil
}

// encode tokenises inputs, at least one, until they fill a batch or end. index
// is that of the first in the call.
func (e *Engine) encode(inputs []Input, index int, opts Options) (models.Batch, error) {
	var tokens tokenizer.Encoding // of all inputs, end to end
	var ends []int
	o := e.tokenizerOptions(opts)
	for i, input := range inputs {
		if err := e.appendInput(&tokens, input, index+i, o, opts.Truncate); err != nil {
			return models.Batch{}, err
		}
		ends = append(ends, len(tokens.IDs))
		if len(tokens.IDs) >= e.config.BatchTokens {
			break
		}
	}
	return models.Batch{IDs: tokens.IDs, TypeIDs: tokens.TypeIDs, Ends: ends}, nil
}
