package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"kenserve/server/internal/api/oip"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// openCalls are the gRPC calls that need no key.
var openCalls = append([]string{
	"/grpc.health.v1.Health/Check",
	"/grpc.health.v1.Health/List",
	"/grpc.health.v1.Health/Watch",
}, oip.OpenCalls...)

// isOpenCall tells whether a method needs no key.
func isOpenCall(method string) bool { return slices.Contains(openCalls, method) }

// authorizeCall returns the problem of a call without the key that it needs, from its
// metadata.
func (s *Server) authorizeCall(r *http.Request, method string) *problem.Problem {
	want := accessUse
	switch {
	case isOpenCall(method):
		want = accessNone
	case slices.Contains(oip.AdminCalls, method):
		want = accessAdmin
	}
	rules := s.rules.Load()
	if refused := rules.refuseHost(r.Host, s.grpcLoopback.Load()); refused != nil {
		return refused
	}
	only := func(name string) string {
		if v := r.Header[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	return rules.keys.refuse(rules.keys.of(only("Authorization"), only("X-Api-Key")), want)
}

// received returns the value of a name in the metadata of a call, "" unless there is
// exactly one.
func received(ctx context.Context, name string) string {
	if v := metadata.ValueFromIncomingContext(ctx, name); len(v) == 1 {
		return v[0]
	}
	return ""
}

// intercept surrounds every unary call, as observe and authorize do HTTP requests.
func (s *Server) intercept(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error) {
	h := http.Header{}
	if id := received(ctx, "x-request-id"); id != "" {
		h["X-Request-Id"] = []string{id}
	}
	state := &core.RequestState{ID: requestID(h), Started: s.core.Now()}
	ctx, span := s.startCallSpan(ctx, info.FullMethod)
	if span.IsRecording() {
		state.TraceID = span.SpanContext().TraceID().String()
	}
	defer func() {
		if value := recover(); value != nil {
			s.options.Logger.LogAttrs(ctx, slog.LevelError, "handler panicked",
				slog.String("id", state.ID), slog.Any("panic", value), slog.String("stack", string(debug.Stack())))
			out, err = nil, problem.Internal(fmt.Errorf("panic: %v", value), "internal error")
		}
		err = s.endCall(ctx, state, info.FullMethod, err)
		endSpan(span, state, grpcStatus(status.Code(err)))
	}()
	ctx, cancel := endWith(ctx, s.grpcCalls)
	defer cancel()
	return handler(core.WithState(ctx, state), in)
}

// grpcStatus is the attribute of a span with the status of its call.
func grpcStatus(code codes.Code) attribute.KeyValue {
	return attribute.Int("rpc.grpc.status_code", int(code))
}

// interceptStream surrounds the streams, which are those of health and reflection. They
// end when the server drains.
func (s *Server) interceptStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := endWith(stream.Context(), s.grpcStreams)
	defer cancel()
	return handler(srv, endingStream{stream, ctx})
}

// endingStream is a stream with another context.
type endingStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements [grpc.ServerStream].
func (s endingStream) Context() context.Context { return s.ctx }

// endCall turns the error of a unary call into a gRPC status, and records the call in
// metrics and log.
func (s *Server) endCall(ctx context.Context, state *core.RequestState, method string, err error) error {
	now := s.core.Now()
	elapsed := now.Sub(state.Started)
	header := metadata.Pairs("x-request-id", state.ID)
	if state.Tokens > 0 {
		header.Append("x-queue-time-ms", route.Milliseconds(state.Queue))
		header.Append("x-inference-time-ms", route.Milliseconds(state.Inference))
		header.Append("x-tokens", strconv.Itoa(state.Tokens))
		header.Append("x-kenserve-delta", state.Deltas())
	}
	_ = grpc.SetHeader(ctx, header) // fails only if the call has ended
	if err != nil {
		if problem.Of(err) == nil {
			if _, ok := status.FromError(err); ok { // from the health service
				s.metrics.called(method, status.Code(err), elapsed)
				return err
			}
		}
		state.Problem = core.ProblemOf(ctx, err)
		s.metrics.failed(state.Task, state.Problem.Kind)
		err = oip.GRPCError(ctx, state.Problem)
	}
	if state.Texts > 0 {
		s.dashboard.Record(now, elapsed, state)
	}
	code := status.Code(err)
	s.metrics.called(method, code, elapsed)
	level := slog.LevelInfo
	switch {
	case code == codes.Internal:
		level = slog.LevelError
	case code == codes.Unavailable, code == codes.FailedPrecondition:
		level = slog.LevelWarn
	case isOpenCall(method):
		level = slog.LevelDebug
	}
	if s.options.Logger.Enabled(ctx, level) {
		attrs := []slog.Attr{
			slog.String("id", state.ID), slog.String("method", method), slog.String("code", code.String()), slog.Duration("took", elapsed),
		}
		s.options.Logger.LogAttrs(ctx, level, "call", append(attrs, stateAttrs(state)...)...)
	}
	return err
}
