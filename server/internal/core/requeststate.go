package core

import (
	"context"
	"strings"
	"time"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// RequestState is what logs, metrics and traces report about a request. Handlers
// fill it in as they go. One goroutine at a time uses it.
type RequestState struct {
	ID      string
	Started time.Time
	TraceID string // empty: the request is not traced

	Task             string // classified under, or tried last
	Texts            int
	Tokens           int // computed, special tokens included
	Queue, Inference time.Duration
	Digests          []string         // of the deltas that answered, in the order of the request's tasks
	Problem          *problem.Problem // nil: answered
}

// Deltas is the value of a header that names the deltas of an answer: the SHA-256 of
// each, in the order of the request's tasks.
func (state *RequestState) Deltas() string {
	return "sha256:" + strings.Join(state.Digests, ", sha256:")
}

// add adds the delta and the cost of a result. The tasks of a request wait at the same time, so
// the longest wait counts; computation adds up.
func (state *RequestState) add(r *runtime.Result) {
	state.Digests = append(state.Digests, r.Digest)
	state.Tokens += r.Tokens
	state.Queue = max(state.Queue, r.Queue)
	state.Inference += r.Inference
}

type stateKey struct{}

// WithState returns a context that carries the state of its request.
func WithState(ctx context.Context, state *RequestState) context.Context {
	return context.WithValue(ctx, stateKey{}, state)
}

// StateOf returns the state that [WithState] put into ctx. It panics without one.
func StateOf(ctx context.Context) *RequestState { return ctx.Value(stateKey{}).(*RequestState) }
