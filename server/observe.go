package server

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"

	"kenserve/server/internal/api/native"
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
		reason, stack = p.Reason, p.Stack
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

// log writes the line of a request: probes, and what is asked for again and
// again by those who watch, as debug, what an operator has to
// look after as warnings or errors. Texts are never in it.
func (s *Server) log(c *gin.Context, state *core.RequestState, elapsed time.Duration) {
	level := slog.LevelInfo
	status := c.Writer.Status()
	switch op := s.operation(c); {
	case status == http.StatusInternalServerError:
		level = slog.LevelError
	case status > http.StatusInternalServerError, status == http.StatusFailedDependency:
		level = slog.LevelWarn
	case op.Open, op.Polled, op.Path == native.TasksPath && status == http.StatusOK:
		level = slog.LevelDebug
	}
	ctx := c.Request.Context()
	if !s.options.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("id", state.ID),
		slog.String("method", clip(c.Request.Method)),
		slog.String("path", clip(c.Request.URL.Path)),
		slog.Int("status", status),
		slog.Int("bytes", max(c.Writer.Size(), 0)),
		slog.String("remote", c.Request.RemoteAddr),
		slog.Duration("took", elapsed),
	)
	s.options.Logger.LogAttrs(ctx, level, "request", append(attrs, stateAttrs(state)...)...)
}

// stateAttrs are what a log's line says of a request whatever its protocol.
func stateAttrs(state *core.RequestState) []slog.Attr {
	var attrs []slog.Attr
	if state.Task != "" {
		attrs = append(attrs,
			slog.String("task", state.Task),
			slog.Int("texts", state.Texts),
			slog.Int("tokens", state.Tokens),
			slog.Duration("queue", state.Queue),
			slog.Duration("inference", state.Inference))
	}
	if state.TraceID != "" {
		attrs = append(attrs, slog.String("trace_id", state.TraceID))
	}
	if p := state.Problem; p != nil {
		attrs = append(attrs, slog.String("error", string(p.Kind)))
		if p.Field != "" {
			attrs = append(attrs, slog.String("field", p.Field))
		}
		if p.Cause != nil {
			attrs = append(attrs, slog.Any("cause", p.Cause))
		}
	}
	return attrs
}

// clip shortens what came from outside for the log.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// requestID takes the caller's x-request-id over if it is safe to repeat in
// headers and logs, and makes one up otherwise.
func requestID(h http.Header) string {
	if v := h["X-Request-Id"]; len(v) == 1 && validRequestID(v[0]) {
		return v[0]
	}
	const digits = "0123456789abcdef"
	var b [32]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 16 {
		b[i], b[16+i] = digits[hi&15], digits[lo&15]
		hi, lo = hi>>4, lo>>4
	}
	return string(b[:])
}

// validRequestID tells whether an id has 1 to 128 of the characters that the
// ids of common proxies are made of.
func validRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-_.:=+/@", c) >= 0:
		default:
			return false
		}
	}
	return true
}
