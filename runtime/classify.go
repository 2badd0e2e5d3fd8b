package runtime

import (
	"context"
	"fmt"
	"math"
	"sort"
	"time"

	"kenserve/delta"
	"kenserve/internal/memory"
	"kenserve/models"
	"kenserve/runtime/internal/failure"
	"kenserve/runtime/internal/sched"
	"kenserve/runtime/internal/storesync"
)

// Input is one text to classify, or a pair of texts.
type Input struct {
	Text string
	Pair *string // nil: a single text
	// IDs, if not nil, are the input instead of texts: token ids as the model
	// takes them, special tokens included, all of token type 0. An empty list, or
	// an id that the tokenizer does not have, is an [InputError] that wraps
	// models.ErrBatch.
	IDs []int32

	types  []int32       // token types of IDs, if Encode made them
	shared *sharedTokens // the text's tokens, if several calls share it; see Share
}

// Options say how a request is tokenised and scored.
type Options struct {
	// Truncate shortens inputs with too many tokens, the longer text of a pair
	// first. Without it such an input is an [ErrTooLong].
	Truncate bool
	// TruncateAt is the end of a text that loses tokens.
	TruncateAt TruncateAt
	// NoSpecialTokens leaves out the special tokens that the tokenizer adds to
	// texts, such as [CLS] and [SEP].
	NoSpecialTokens bool
	// MaxTokens bounds an input's tokens, special tokens included, below the
	// engine's bound; 0: only the engine's bound holds.
	MaxTokens int
	// Raw asks for logits instead of probabilities.
	Raw bool
}

// TruncateAt is the end of a text that truncation removes.
type TruncateAt uint8

// The ends. The zero value is the end that the tokenizer's files say (truncation_side),
// which is End if they say nothing.
const (
	Start TruncateAt = iota + 1
	End
)

// Result holds the scores of one request.
type Result struct {
	Task    string
	Digest  string // SHA-256 of the delta, in the fast layout, in hexadecimal
	Labels  []string
	Problem models.Problem
	// Temperature divides logits before they become probabilities. It is 1, or 0, unless the
	// delta has one.
	Temperature float64
	// Thresholds are the probabilities from which each label is predicted, in the order of
	// Labels; nil: the delta has none.
	Thresholds []float64
	Scores     [][]float32   // [inputs, labels], in the order of the inputs and of Labels
	Tokens     int           // computed, special tokens included
	Truncated  int           // number of inputs that lost tokens
	MaxTokens  int           // to which inputs are truncated, special tokens included
	Queue      time.Duration // from the arrival to the start of the first batch
	Inference  time.Duration // from the start of the first batch to the end of the last
}

// Score is a label with its score.
type Score struct {
	Label string
	Value float32
}

// Top returns the k labels with the highest scores of input i, or all labels if
// k ≤ 0. The highest is first; equal scores are in the order of Labels.
func (r *Result) Top(i, k int) []Score {
	out := make([]Score, len(r.Labels))
	for j, label := range r.Labels {
		out[j] = Score{label, r.Scores[i][j]}
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].Value > out[b].Value })
	if k > 0 && k < len(out) {
		out = out[:k]
	}
	return out
}

// Probabilities replaces the logits of one input by its scores as a task of this problem,
// which may differ from the task's own.
func (r *Result) Probabilities(problem models.Problem, logits []float32) {
	if r.Temperature != 0 && r.Temperature != 1 && problem != models.Regression {
		for i, x := range logits {
			logits[i] = float32(float64(x) / r.Temperature)
		}
	}
	problem.Scores(logits)
}

// Classify scores inputs with a task, and loads the task if it is not in memory.
// Errors wrap ctx's error or one of the package's Err variables where these apply.
// An error about one input is an *InputError.
func (e *Engine) Classify(ctx context.Context, name string, inputs []Input, opts Options) (*Result, error) {
	if !delta.ValidTask(name) {
		return nil, fmt.Errorf("runtime: task %q: %w", name, ErrNoTask)
	}
	start := time.Now()
	handle, err := e.loader.Acquire(ctx, name)
	traceLoad(ctx, name, start)
	if err != nil {
		return nil, err
	}
	defer handle.Release()
	t := taskOf(handle)

	loan := memory.LoanOf(ctx)
	if err := loan.Take(memory.Scores, int64(len(inputs))*int64(scoreRowBytes+4*len(t.labels))); err != nil {
		return nil, fmt.Errorf("runtime: task %s: %w", name, err)
	}
	r := &Result{Task: name, Digest: t.delta.SHA256, Labels: t.labels, Problem: t.problem, Temperature: t.temperature, Thresholds: t.delta.Thresholds, Scores: make([][]float32, len(inputs))}
	logits := make([]float32, len(inputs)*len(t.labels))
	for i := range r.Scores {
		r.Scores[i] = logits[i*len(t.labels):][:len(t.labels):len(t.labels)]
	}
	if err := e.computeLogits(ctx, handle, inputs, opts, r, logits); err != nil {
		return nil, err
	}
	if i := firstNotFinite(logits); i >= 0 {
		e.loader.ReportProblem(handle, failure.NotFinite)
		return nil, &failure.TaskError{Task: name, Class: failure.NotFinite, Err: fmt.Errorf("input %d, label %s: the logit is %g", i/len(t.labels), t.labels[i%len(t.labels)], logits[i])}
	}
	for _, scores := range r.Scores {
		if !opts.Raw {
			r.Probabilities(t.problem, scores)
		}
	}
	return r, nil
}

// firstNotFinite returns the index of the first NaN or infinity, or -1.
func firstNotFinite(x []float32) int {
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return i
		}
	}
	return -1
}

// computeLogits encodes and computes inputs. It writes logits, [inputs, labels],
// row-major, and the counts and times of r. Inputs are encoded a batch at a time,
// the next batches while the first are computed, so that a call has only a few
// batches waiting, however many inputs it has.
func (e *Engine) computeLogits(ctx context.Context, handle storesync.Handle, inputs []Input, opts Options, r *Result, logits []float32) (err error) {
	if len(inputs) == 0 {
		return nil
	}
	limit, ok := ctx.Deadline() // zero: the caller waits as long as it takes
	deadline := limit
	if !ok {
		deadline = time.Now().Add(defaultDeadline)
	}
	texts := e.encoder(&taskOf(handle).plan)
	r.MaxTokens = texts.truncateTo
	expected := texts.expect(inputs, opts)
	loan := memory.LoanOf(ctx)
	bytes := expected.bytes(min(expected.most, 2*e.config.Workers*(e.config.BatchTokens+texts.limits.Tokens)))
	if err := loan.Take(memory.Tokens, bytes); err != nil {
		return fmt.Errorf("runtime: task %s: %w", r.Task, err)
	}
	defer loan.Give(memory.Tokens, bytes)
	var submitted []*sched.Request // and not waited for yet, in order
	defer func() {
		for _, q := range submitted { // only after an error
			e.executor.Abandon(q, err)
		}
	}()
	// Do not encode texts that would be refused.
	call, err := e.executor.Admit(r.Task, expected.likely, limit)
	if err != nil {
		return err
	}
	defer e.executor.End(call) // after the requests of the call are abandoned
	maxSubmitted := 2 * e.config.Workers
	labels := len(r.Labels)
	var began, ended time.Time
	for first := 0; first < len(inputs) || len(submitted) > 0; {
		if first < len(inputs) && len(submitted) < maxSubmitted {
			start := time.Now()
			large := expected.likely > e.config.BatchTokens
			if large {
				if err := e.encoding.Acquire(ctx, 1); err != nil {
					return err
				}
			}
			batch, counts, err := texts.encode(ctx, inputs[first:], first, opts, e.config.BatchTokens)
			if large {
				e.encoding.Release(1)
			}
			if err != nil {
				return err
			}
			n := len(batch.Ends)
			r.Truncated += counts.truncated
			if counts.fresh > 0 { // others were traced where they were tokenised
				traceTokenize(ctx, start, counts.fresh, len(batch.IDs))
			}
			q := &sched.Request{
				Context: ctx, Task: handle, Name: r.Task, Texts: batch, Shares: taskOf(handle).sharesBatches, Logits: logits[first*labels : (first+n)*labels],
				Deadline: deadline, Call: call, Continued: first > 0,
			}
			if err := e.executor.Submit(q); err != nil {
				return err
			}
			submitted = append(submitted, q)
			first += n
			continue
		}
		q := submitted[0]
		submitted = submitted[1:]
		if err := e.executor.Wait(q); err != nil {
			return err
		}
		traceBatch(ctx, q)
		if began.IsZero() {
			began = q.Began
			r.Queue = began.Sub(q.Arrived)
		}
		if q.Ended.After(ended) {
			ended = q.Ended
		}
		r.Tokens += len(q.Texts.IDs)
	}
	r.Inference = ended.Sub(began)
	return nil
}
