package server

import (
	"context"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
)

// Each request has an OpenTelemetry span, a child of the client's span if the header
// traceparent (W3C Trace Context) names one. The engine adds spans for load, tokenize,
// queue and execute. Probes and polled routes have no span. Names of attributes follow
// the semantic conventions where these have one.

const tracerName = "kenserve/server"

// startSpan starts the span of an HTTP request. Without tracing the span does nothing.
func (s *Server) startSpan(r *http.Request, op *route.Operation) (context.Context, trace.Span) {
	ctx := r.Context()
	if s.options.TracerProvider == nil || op.Path == "" || op.Open || op.Polled {
		return ctx, noop.Span{}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	return s.options.TracerProvider.Tracer(tracerName).Start(ctx, r.Method+" "+op.Path,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", r.Method),
			attribute.String("http.route", op.Path),
			attribute.String("url.path", clip(r.URL.Path)),
		))
}

// startCallSpan starts the span of a gRPC call.
func (s *Server) startCallSpan(ctx context.Context, method string) (context.Context, trace.Span) {
	if s.options.TracerProvider == nil || slices.Contains(openCalls, method) {
		return ctx, noop.Span{}
	}
	carrier := propagation.MapCarrier{}
	for _, name := range (propagation.TraceContext{}).Fields() {
		if v := received(ctx, name); v != "" {
			carrier[name] = v
		}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, carrier)
	return s.options.TracerProvider.Tracer(tracerName).Start(ctx, method[1:],
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("rpc.system", "grpc")))
}

// endSpan ends a span with the outcome of its request.
func endSpan(span trace.Span, state *core.RequestState, status attribute.KeyValue) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(status, attribute.String("kenserve.request_id", state.ID))
	if state.Task != "" {
		span.SetAttributes(
			attribute.String("kenserve.task", state.Task),
			attribute.Int("kenserve.texts", state.Texts),
			attribute.Int("kenserve.tokens", state.Tokens))
	}
	if p := state.Problem; p != nil {
		span.SetAttributes(attribute.String("error.type", string(p.Kind)))
		if p.Status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, p.Message)
		}
	}
	span.End()
}
