package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestTraces checks that a running program sends the spans of a request, with their parents,
// to the collector that the standard variables name, and the last spans before it ends.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	parents := map[string][]string{} // names of the parents, by name of the span
	service := ""
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var q collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &q)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		names := map[string]string{"": ""}
		for pass := range 2 {
			for _, rs := range q.ResourceSpans {
				for _, a := range rs.Resource.Attributes {
					if a.Key == "service.name" {
						service = a.Value.GetStringValue()
					}
				}
				for _, ss := range rs.ScopeSpans {
					for _, span := range ss.Spans {
						if pass == 0 {
							names[string(span.SpanId)] = span.Name
						} else {
							parents[span.Name] = append(parents[span.Name], names[string(span.ParentSpanId)])
						}
						if span.EndTimeUnixNano < span.StartTimeUnixNano {
							t.Errorf("%s ends before it begins", span.Name)
						}
					}
				}
			}
		}
	}))
	defer sink.Close()
	w := newFixture(t, "one", "two")
	r := w.start(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + sink.URL, "OTEL_SERVICE_NAME=mine"}, "--base", w.base, "--store", w.store, "--listen", "127.0.0.1:0")
	if status := postStatus(`{"model":["one","two"],"input":["what","the card"]}`)(r); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if err := r.stop(t); err != nil {
		t.Errorf("%v: %s", err, r.text())
	}
	mu.Lock()
	defer mu.Unlock()
	request := "POST /classify"
	for name, want := range map[string][]string{
		request:    {""},      // no parent
		"tokenize": {request}, // once for both tasks
		"queue":    {request, request},
		"execute":  {request, request},
	} {
		if !slices.Equal(parents[name], want) {
			t.Errorf("spans %s have the parents %q, want %q", name, parents[name], want)
		}
	}
	if service != "mine" {
		t.Errorf("service %q", service)
	}
	if strings.Count(r.text(), `"trace_id":"`) != 1 {
		t.Errorf("the log has no trace id: %s", r.text())
	}
}

// TestTraceVariables checks which environment variables turn tracing on.
func TestTraceVariables(t *testing.T) {
	for _, c := range []struct {
		env  []string // names and values
		on   bool
		fail string
	}{
		{nil, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "none", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"}, false, ""},
		{[]string{"OTEL_SDK_DISABLED", "true", "OTEL_TRACES_EXPORTER", "otlp"}, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1"}, true, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, true, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "zipkin"}, false, `"zipkin"; it must be otlp or none`},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"}, false, `"http/json"; it must be http/protobuf or grpc`},
	} {
		for _, name := range []string{
			"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
			"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
		} {
			t.Setenv(name, "")
		}
		for i := 0; i < len(c.env); i += 2 {
			t.Setenv(c.env[i], c.env[i+1])
		}
		provider, err := newTracerProvider(context.Background(), discardLog())
		switch {
		case c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail)), c.fail == "" && err != nil:
			t.Errorf("%q: %v", c.env, err)
		case (provider != nil) != c.on:
			t.Errorf("%q: on: %v", c.env, provider != nil)
		}
		if provider != nil {
			_ = provider.Shutdown(context.Background())
		}
	}
}
