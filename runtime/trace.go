package runtime

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"kenserve/runtime/internal/sched"
)

// A request whose context carries a recording OpenTelemetry span gets spans
// below it: tokenize, and for each batch queue and execute; load if it had to
// wait for its task. Without such a span, tracing costs a look at the context.

const tracerName = "kenserve/runtime"

// shortLoad is how long a task that is in memory may take to be had.
const shortLoad = time.Millisecond

// record makes a span of what is over.
func recordSpan(ctx context.Context, name string, start, end time.Time, attrs ...attribute.KeyValue) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName)
	_, span := tracer.Start(ctx, name, trace.WithTimestamp(start), trace.WithAttributes(attrs...))
	span.End(trace.WithTimestamp(end))
}

func isTraced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// spanLoad records the wait for a task that was not in memory.
func traceLoad(ctx context.Context, task string, start time.Time) {
	if !isTraced(ctx) {
		return
	}
	if end := time.Now(); end.Sub(start) > shortLoad {
		recordSpan(ctx, "load", start, end, attribute.String("kenserve.task", task))
	}
}

// spanTokens records the tokenising of texts that ends now.
func traceTokenize(ctx context.Context, start time.Time, texts, tokens int) {
	if isTraced(ctx) {
		recordSpan(ctx, "tokenize", start, time.Now(), attribute.Int("kenserve.texts", texts), attribute.Int("kenserve.tokens", tokens))
	}
}

// spanBatch records a batch that was computed.
func traceBatch(ctx context.Context, q *sched.Request) {
	if !isTraced(ctx) {
		return
	}
	attrs := []attribute.KeyValue{attribute.String("kenserve.task", q.Name), attribute.Int("kenserve.tokens", len(q.Texts.IDs))}
	recordSpan(ctx, "queue", q.Arrived, q.Began, attrs...)
	recordSpan(ctx, "execute", q.Began, q.Ended, attrs...)
}
