package core

import (
	"context"
	"time"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// RequestState is one request with its answer, as logs and metrics see it.
// Handlers fill in what they learn.
type RequestState struct {
	ID               string
	Started          time.Time
	Task             string // the one being run, or the last
	Texts            int
	Tokens           int
	Queue, Inference time.Duration
	Problem          *problem.Problem
	TraceID          string // of the request's trace, if it is recorded
}

// add counts what a result cost. Tasks of one request wait at the same time
// and are computed one beside the other: the longest wait is the request's,
// and what was computed is the sum.
func (state *RequestState) add(r *runtime.Result) {
	state.Tokens += r.Tokens
	state.Queue = max(state.Queue, r.Queue)
	state.Inference += r.Inference
}

type stateKey struct{}

// WithState returns a context that carries a request's state.
func WithState(ctx context.Context, state *RequestState) context.Context {
	return context.WithValue(ctx, stateKey{}, state)
}

// StateOf returns the state that [WithState] put into ctx.
func StateOf(ctx context.Context) *RequestState { return ctx.Value(stateKey{}).(*RequestState) }
