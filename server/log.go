package server

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/api/native"
	"kenserve/server/internal/core"
)

// log writes one line for each request, never with a text. Problems that an operator
// must look into are warnings or errors; probes and polled routes are debug lines.
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

// stateAttrs are the attributes of a line that HTTP and gRPC share.
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

// clip shortens text from a client to 256 bytes.
func clip(s string) string {
	const maxBytes = 256
	if len(s) > maxBytes {
		return strings.ToValidUTF8(s[:maxBytes], "") + "…"
	}
	return s
}
