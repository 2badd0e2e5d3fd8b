package server

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"kenserve/server/internal/servertest"
)

func TestTraces(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, c := range []struct {
		method, path, body string
		header             []string
		name               string // empty: no span
		want               map[attribute.Key]any
		fault              bool
	}{
		{"POST", "/classify", `{"model":"sst2","input":["SECRET","b"]}`, nil, "POST /classify", map[attribute.Key]any{
			"http.request.method": "POST", "http.route": "/classify", "http.response.status_code": int64(200),
			"kenserve.task": "sst2", "kenserve.texts": int64(2), "kenserve.tokens": int64(6), "kenserve.request_id": "mine"}, false},
		{"POST", "/classify", `{"model":"sst2","input":"a"}`, []string{"Traceparent", parent}, "POST /classify", nil, false},
		{"POST", "/models/trec", `{"inputs":5}`, nil, "POST /models/:task", map[attribute.Key]any{
			"http.response.status_code": int64(422), "error.type": "validation"}, false},
		{"POST", "/classify", `{"model":"panics","input":"a"}`, nil, "POST /classify", map[attribute.Key]any{
			"http.response.status_code": int64(500), "error.type": "internal"}, true},
		{"GET", "/healthz", "", nil, "", nil, false},
		{"GET", "/metrics", "", nil, "", nil, false},
		{"GET", "/nothing", "", nil, "", nil, false},
	} {
		recorder := tracetest.NewSpanRecorder()
		provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
		var inside trace.SpanContext
		e := servertest.NewEngine()
		e.Before = func(ctx context.Context, _ string) error {
			inside = trace.SpanContextFromContext(ctx)
			return nil
		}
		var log strings.Builder
		s := newServer(t, e, Options{TracerProvider: provider, Logger: logger(&log)})
		do(s, c.method, c.path, c.body, append([]string{"X-Request-Id", "mine"}, c.header...)...)
		spans := recorder.Ended()
		if c.name == "" {
			if len(spans) > 0 {
				t.Errorf("%s: span %s", c.path, spans[0].Name())
			}
			continue
		}
		if len(spans) != 1 || spans[0].Name() != c.name {
			t.Errorf("%s %s: %d spans", c.path, c.body, len(spans))
			continue
		}
		span := spans[0]
		got := map[attribute.Key]any{}
		for _, a := range span.Attributes() {
			got[a.Key] = a.Value.AsInterface()
			if strings.Contains(a.Value.Emit(), "SECRET") {
				t.Errorf("a text is in %s", a.Key)
			}
		}
		for key, want := range c.want {
			if got[key] != want {
				t.Errorf("%s %s: %s is %v, want %v", c.path, c.body, key, got[key], want)
			}
		}
		if fault := span.Status().Code == codes.Error; fault != c.fault {
			t.Errorf("%s %s: status %v", c.path, c.body, span.Status())
		}
		if c.header != nil && span.Parent().TraceID().String() != parent[3:35] {
			t.Errorf("the parent is %v", span.Parent())
		}
		if inside.IsValid() && inside.SpanID() != span.SpanContext().SpanID() {
			t.Error("the engine is not in the request's span")
		}
		if !strings.Contains(log.String(), "trace_id="+span.SpanContext().TraceID().String()) {
			t.Errorf("the log has no trace id: %s", &log)
		}
	}
}

// Without a provider there is no span, whatever the client sends.
func TestNoTraces(t *testing.T) {
	e := servertest.NewEngine()
	e.Before = func(ctx context.Context, _ string) error {
		if trace.SpanContextFromContext(ctx).IsValid() {
			t.Error("the engine sees a span")
		}
		return nil
	}
	w := post(newServer(t, e, Options{}), `{"model":"sst2","input":"a"}`, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
}
