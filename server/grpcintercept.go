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
	"google.golang.org/protobuf/proto"

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

// authorizeCall returns the problem of a call without the key that it needs.
func (s *Server) authorizeCall(ctx context.Context, method string) error {
	want := accessUse
	switch {
	case slices.Contains(openCalls, method):
		want = accessNone
	case slices.Contains(oip.AdminCalls, method):
		want = accessAdmin
	}
	rules := s.rules.Load()
	if refused := rules.refuseHost(received(ctx, ":authority"), s.grpcLoopback.Load()); refused != nil {
		return refused
	}
	if denied := rules.keys.refuse(rules.keys.of(received(ctx, "authorization"), received(ctx, "x-api-key")), want); denied != nil {
		return denied
	}
	return nil
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
		endSpan(span, state, attribute.Int("rpc.grpc.status_code", int(status.Code(err))))
	}()
	if err := s.authorizeCall(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	size := proto.Size(in.(proto.Message))
	if !s.core.Bodies.Take(size) {
		return nil, problem.Overloaded("too many bytes of requests are in memory, try again later")
	}
	defer s.core.Bodies.Give(size)
	return handler(core.WithState(ctx, state), in)
}

// interceptStream surrounds the streams, which are those of health and reflection.
func (s *Server) interceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := stream.Context()
	if err := s.authorizeCall(ctx, info.FullMethod); err != nil {
		return oip.GRPCError(ctx, core.ProblemOf(ctx, err))
	}
	return handler(srv, stream)
}

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
	case slices.Contains(openCalls, method):
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
