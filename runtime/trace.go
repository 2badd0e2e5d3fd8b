package runtime

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"kenserve/runtime/internal/sched"
)

// If a request's context carries a recording OpenTelemetry span, child spans are
// added to it: load if the request waited for its task, tokenize, and queue and
// execute for each batch. Without such a span, tracing costs one look at the
// context.

const tracerName = "kenserve/runtime"

// shortLoad is the longest time of an Acquire that is taken for a hit.
const shortLoad = time.Millisecond

// recordSpan adds a child span for something that is over.
func recordSpan(ctx context.Context, name string, start, end time.Time, attrs ...attribute.KeyValue) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName)
	_, span := tracer.Start(ctx, name, trace.WithTimestamp(start), trace.WithAttributes(attrs...))
	span.End(trace.WithTimestamp(end))
}

func isTraced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// traceLoad records the wait for a task that was not in memory.
func traceLoad(ctx context.Context, task string, start time.Time) {
	if !isTraced(ctx) {
		return
	}
	if end := time.Now(); end.Sub(start) > shortLoad {
		recordSpan(ctx, "load", start, end, attribute.String("kenserve.task", task))
	}
}

// traceTokenize records the tokenising of texts, which ends now.
func traceTokenize(ctx context.Context, start time.Time, texts, tokens int) {
	if isTraced(ctx) {
		recordSpan(ctx, "tokenize", start, time.Now(), attribute.Int("kenserve.texts", texts), attribute.Int("kenserve.tokens", tokens))
	}
}

// traceBatch records the wait and the computing of a request.
func traceBatch(ctx context.Context, q *sched.Request) {
	if !isTraced(ctx) {
		return
	}
	attrs := []attribute.KeyValue{attribute.String("kenserve.task", q.Name), attribute.Int("kenserve.tokens", len(q.Texts.IDs))}
	recordSpan(ctx, "queue", q.Arrived, q.Began, attrs...)
	recordSpan(ctx, "execute", q.Began, q.Ended, attrs...)
}
