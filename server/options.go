package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"kenserve/server/internal/core"
)

// Options configure a [Server]. A zero field means its default.
type Options struct {
	// Logger gets one line a request and what goes wrong; never the content of
	// a text. Nil logs nothing.
	Logger *slog.Logger

	// MaxBodyBytes bounds a request's body. Default 4 MiB.
	MaxBodyBytes int
	// MaxBodyMemory bounds the bytes of all bodies that are in memory at a time;
	// what comes beyond gets 429. Default 256 MiB.
	MaxBodyMemory int
	// MaxUploadBytes bounds an uploaded delta. Default 1 GiB.
	MaxUploadBytes int
	// MaxConnections bounds the connections that each listener has at a time;
	// more of them wait to be accepted. Default 4096.
	MaxConnections int
	// MaxTexts bounds the inputs of a request; a pair counts once. Default 1024.
	MaxTexts int
	// MaxTextBytes bounds each text, and each side of a pair, in UTF-8 bytes.
	// Default 128 KiB, far above what fits in a model's window: the bound keeps
	// the tokenizer from reading what truncation would throw away.
	MaxTextBytes int
	// MaxTasks bounds the tasks that one request may name. Default 32.
	MaxTasks int
	// MetricTasks bounds the tasks that metrics tell apart. Those seen first
	// get a label of their own, all others share one. Default 512.
	MetricTasks int
	// MaxHeaderBytes bounds a request's header. Default 32 KiB.
	MaxHeaderBytes int

	// APIKeys are the keys of which every request but a probe must bring one;
	// without any, requests need none.
	APIKeys []string
	// AdminKeys are the keys for what changes what is served; without any, that
	// is off. An admin key does for an API key.
	AdminKeys []string
	// TracerProvider, if not nil, gets a span a request.
	TracerProvider trace.TracerProvider
	// TLS, if not nil, is what connections are encrypted with; see [LoadTLS].
	TLS *tls.Config
	// About is what the server tells of itself where an API asks for it.
	About About

	// ReadHeaderTimeout is for a request's header. Default 10 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is for a whole request, body included. Default 30 s.
	ReadTimeout time.Duration
	// RequestTimeout is for waiting and computing; a request that exceeds it
	// gets 503. Default 60 s.
	RequestTimeout time.Duration
	// UploadTimeout is for an upload or a copy of a delta, in place of
	// ReadTimeout and RequestTimeout. Default 10 min.
	UploadTimeout time.Duration
	// WriteTimeout is for sending an answer. Default 30 s.
	WriteTimeout time.Duration
	// IdleTimeout ends a connection without requests. Default 2 min.
	IdleTimeout time.Duration

	// Grace is how long the server goes on accepting requests after readiness
	// went off, so that load balancers look elsewhere first. Default 0.
	Grace time.Duration
	// DrainTimeout bounds a shutdown, Grace included. What runs then is
	// cancelled and answered 503. Default 30 s.
	DrainTimeout time.Duration
}

// About describes a server and the bounds of its engine. Zero: not told.
type About = core.About

// withDefaults fills zero fields in, and refuses negative ones.
func (o Options) withDefaults() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, n := range []struct {
		name  string
		value *int
		byDef int
	}{
		{"MaxBodyBytes", &o.MaxBodyBytes, 4 << 20},
		{"MaxBodyMemory", &o.MaxBodyMemory, 256 << 20},
		{"MaxUploadBytes", &o.MaxUploadBytes, 1 << 30},
		{"MaxConnections", &o.MaxConnections, 4096},
		{"MaxTexts", &o.MaxTexts, 1024},
		{"MaxTextBytes", &o.MaxTextBytes, 128 << 10},
		{"MaxTasks", &o.MaxTasks, 32},
		{"MetricTasks", &o.MetricTasks, 512},
		{"MaxHeaderBytes", &o.MaxHeaderBytes, 32 << 10},
	} {
		if *n.value < 0 {
			return o, fmt.Errorf("server: option %s is %d, must not be negative", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.byDef
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		byDef time.Duration
	}{
		{"ReadHeaderTimeout", &o.ReadHeaderTimeout, 10 * time.Second},
		{"ReadTimeout", &o.ReadTimeout, 30 * time.Second},
		{"RequestTimeout", &o.RequestTimeout, 60 * time.Second},
		{"UploadTimeout", &o.UploadTimeout, 10 * time.Minute},
		{"WriteTimeout", &o.WriteTimeout, 30 * time.Second},
		{"IdleTimeout", &o.IdleTimeout, 2 * time.Minute},
		{"Grace", &o.Grace, 0},
		{"DrainTimeout", &o.DrainTimeout, 30 * time.Second},
	} {
		if *d.value < 0 {
			return o, fmt.Errorf("server: option %s is %s, must not be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.byDef
		}
	}
	for _, key := range slices.Concat(o.APIKeys, o.AdminKeys) {
		if key == "" {
			return o, errors.New("server: a key is empty")
		}
	}
	if o.MaxBodyMemory < o.MaxBodyBytes {
		return o, fmt.Errorf("server: option MaxBodyMemory is %d, less than MaxBodyBytes, %d", o.MaxBodyMemory, o.MaxBodyBytes)
	}
	if o.Grace > o.DrainTimeout {
		return o, fmt.Errorf("server: option Grace is %s, longer than DrainTimeout, %s", o.Grace, o.DrainTimeout)
	}
	return o, nil
}

// limits are the options that bound a request.
func (o *Options) limits() core.Limits {
	return core.Limits{
		MaxBodyBytes: o.MaxBodyBytes, MaxUploadBytes: o.MaxUploadBytes,
		MaxTexts: o.MaxTexts, MaxTextBytes: o.MaxTextBytes, MaxTasks: o.MaxTasks,
		RequestTimeout: o.RequestTimeout, UploadTimeout: o.UploadTimeout, WriteTimeout: o.WriteTimeout,
	}
}
