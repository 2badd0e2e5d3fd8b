package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

const stateKey = "kenserve.state"

func stateOf(c *gin.Context) *core.RequestState { return c.MustGet(stateKey).(*core.RequestState) }

// handle adapts a handler that returns its error to gin.
func (s *Server) handle(f func(c *gin.Context, state *core.RequestState) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		state := c.MustGet(stateKey).(*core.RequestState)
		if err := f(c, state); err != nil {
			state.Problem = core.ProblemOf(c.Request.Context(), err)
			route.WriteProblem(c, state.Problem, s.table.Of(c.Request.URL.Path).EncodeError)
		}
	}
}

// observe is the outermost middleware: it gives each request its id, contains
// panics, counts and logs.
func (s *Server) observe(c *gin.Context) {
	state := &core.RequestState{ID: requestID(c.Request.Header), Started: s.core.Now()}
	c.Set(stateKey, state)
	h := c.Writer.Header()
	h["X-Request-Id"] = []string{state.ID}
	secure(h)
	if s.core.Draining() {
		// So that no connection is closed while a request is on its way on it.
		h["Connection"] = []string{"close"}
	}
	s.metrics.inFlight.Add(1)
	ctx, span := s.traced(c.Request, s.operation(c))
	if span.IsRecording() {
		c.Request = c.Request.WithContext(ctx)
		state.TraceID = span.SpanContext().TraceID().String()
	}
	defer func() {
		cut := s.contain(c, state, recover())
		s.metrics.inFlight.Add(-1)
		now := s.core.Now()
		elapsed := now.Sub(state.Started)
		if state.Texts > 0 {
			s.dashboard.Record(now, elapsed, state)
		}
		s.metrics.answered(c.FullPath(), c.Writer.Status(), elapsed)
		if state.Problem != nil {
			s.metrics.failed(state.Task, state.Problem.Kind)
		}
		s.log(c, state, elapsed)
		endSpan(span, state, attribute.Int("http.response.status_code", c.Writer.Status()))
		if cut {
			panic(http.ErrAbortHandler)
		}
	}()
	c.Next()
}

// contain turns what a handler panicked with into a problem. If a part of the
// answer was already sent, the connection has to be cut: it returns true, and
// so it does for the panic by which handlers ask for that.
func (s *Server) contain(c *gin.Context, state *core.RequestState, reason any) (cut bool) {
	if reason == nil {
		return false
	}
	if reason == http.ErrAbortHandler {
		return true
	}
	stack := debug.Stack()
	if p, ok := reason.(*core.Panic); ok { // in another goroutine of the request
		reason, stack = p.Value, p.Stack
	}
	err, ok := reason.(error)
	if !ok {
		err = fmt.Errorf("%v", reason)
	}
	state.Problem = problem.Internal(fmt.Errorf("panic: %w", err), "internal error")
	s.options.Logger.LogAttrs(c.Request.Context(), slog.LevelError, "panic contained",
		slog.String("id", state.ID), slog.Any("panic", reason), slog.String("stack", string(stack)))
	if c.Writer.Written() {
		return true
	}
	route.WriteProblem(c, state.Problem, s.table.Of(c.Request.URL.Path).EncodeError)
	return false
}
