package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// traceFlushTimeout bounds the time that a shutdown waits for the last spans to be sent.
const traceFlushTimeout = 3 * time.Second

// newTracerProvider returns a provider as OpenTelemetry's standard environment variables
// configure it, or nil if they name neither an exporter nor an endpoint, which means that
// tracing is off. The exporter reads its own variables (endpoint, headers, certificates,
// timeouts), and the provider reads its own (sampler, limits, batches).
func newTracerProvider(ctx context.Context, log *slog.Logger) (*trace.TracerProvider, error) {
	if off, _ := strconv.ParseBool(os.Getenv("OTEL_SDK_DISABLED")); off {
		return nil, nil
	}
	switch exporter := os.Getenv("OTEL_TRACES_EXPORTER"); {
	case exporter == "otlp":
	case exporter == "" && firstEnv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") != "":
	case exporter == "" || exporter == "none":
		return nil, nil
	default:
		return nil, usageError{fmt.Errorf("serve: OTEL_TRACES_EXPORTER is %q; it must be otlp or none", exporter)}
	}
	var client otlptrace.Client
	switch protocol := firstEnv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "", "http/protobuf":
		client = otlptracehttp.NewClient()
	case "grpc":
		client = otlptracegrpc.NewClient()
	default:
		return nil, usageError{fmt.Errorf("serve: OTEL_EXPORTER_OTLP_PROTOCOL is %q; it must be http/protobuf or grpc", protocol)}
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("serve: traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "kenserve"), attribute.String("service.version", version())),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // takes precedence over the attributes above
	)
	if err != nil {
		return nil, fmt.Errorf("serve: traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces", "error", err) }))
	return trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about)), nil
}

// firstEnv returns the value of the first variable that is set and not empty.
func firstEnv(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}
