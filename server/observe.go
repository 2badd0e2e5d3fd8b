package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"

	"kenserve/internal/memory"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// stateKey is the key of a request's state in its gin context.
const stateKey = "kenserve.state"

// stateOf returns the state that observe put into the context.
func stateOf(c *gin.Context) *core.RequestState { return c.MustGet(stateKey).(*core.RequestState) }

// handle adapts a handler to gin: it writes the handler's error.
func (s *Server) handle(f route.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		state := stateOf(c)
		if err := f(c, state); err != nil {
			s.writeProblem(c, state, core.ProblemOf(c.Request.Context(), err))
		}
	}
}

// writeProblem answers with a problem, in the format of the API that owns the path.
func (s *Server) writeProblem(c *gin.Context, state *core.RequestState, p *problem.Problem) {
	state.Problem = p
	expectUnread(c)
	encode := s.operation(c).EncodeError
	if encode == nil {
		encode = s.table.Owner(c.Request.URL.Path).EncodeError
	}
	route.WriteProblem(c, p, encode)
}

// observe is the outermost middleware. It gives each request an id, recovers from
// panics, and records the request in metrics, log and trace.
func (s *Server) observe(c *gin.Context) {
	state := &core.RequestState{ID: requestID(c.Request.Header), Started: s.core.Now()}
	c.Set(stateKey, state)
	h := c.Writer.Header()
	h["X-Request-Id"] = []string{state.ID}
	secure(h)
	if s.core.Draining() {
		// The client must not reuse a connection that is about to close.
		h["Connection"] = []string{"close"}
	}
	s.metrics.inFlight.Add(1)
	loan := s.memory.Open()
	defer loan.Close()
	c.Set(route.WriteTimeoutKey, s.options.WriteTimeout)
	ctx, span := s.startSpan(c.Request, s.operation(c))
	c.Request = c.Request.WithContext(memory.WithLoan(ctx, loan))
	if span.IsRecording() {
		state.TraceID = span.SpanContext().TraceID().String()
	}
	defer func() {
		abort := s.recovered(c, state, recover())
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
		if abort {
			panic(http.ErrAbortHandler)
		}
	}()
	c.Next()
}

// recovered answers with a problem if value, from recover, is a panic of the handler.
// It returns true if the connection must be aborted: when a part of the answer has
// been sent, and for [http.ErrAbortHandler].
func (s *Server) recovered(c *gin.Context, state *core.RequestState, value any) (abort bool) {
	if value == nil {
		return false
	}
	if value == http.ErrAbortHandler {
		return true
	}
	stack := debug.Stack()
	if p, ok := value.(*core.Panic); ok { // of another goroutine of the request
		value, stack = p.Value, p.Stack
	}
	err, ok := value.(error)
	if !ok {
		err = fmt.Errorf("%v", value)
	}
	s.options.Logger.LogAttrs(c.Request.Context(), slog.LevelError, "handler panicked",
		slog.String("id", state.ID), slog.Any("panic", value), slog.String("stack", string(stack)))
	p := problem.Internal(fmt.Errorf("panic: %w", err), "internal error")
	if c.Writer.Written() {
		state.Problem = p
		return true
	}
	s.writeProblem(c, state, p)
	return false
}
