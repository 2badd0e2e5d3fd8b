package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"kenserve/internal/memory"
	"kenserve/server/internal/core"
)

// Options configure a [Server]. A zero field has its default.
type Options struct {
	// Logger gets one line for each request, and faults; never a text. Nil: no log.
	Logger *slog.Logger

	// MaxBodyBytes bounds the body of a request, as sent and as decoded. Default 4 MiB.
	MaxBodyBytes int
	// Memory is the account of the memory that requests take: connections, bodies and
	// what is made of them, tokens, answers. Requests beyond it get 429, or 413 if they
	// could never be answered. Nil: 1 GiB.
	Memory *memory.Account
	// MaxBodyMemory bounds the bytes of all bodies in memory, beside Memory. Requests
	// beyond it get 429. Default 256 MiB.
	MaxBodyMemory int
	// MaxUploadBytes bounds an uploaded delta. Default 1 GiB.
	MaxUploadBytes int
	// MaxConnections bounds the connections of each listener; half of Memory bounds them
	// too. An idle connection yields to a new one. If none is idle, probes are answered
	// on the new one, and other requests get 429. Default 4096.
	MaxConnections int
	// MaxTexts bounds the inputs of a request; a pair counts once. Default 1024.
	MaxTexts int
	// MaxTextBytes bounds each text, and each text of a pair, in UTF-8 bytes. The
	// default, 128 KiB, is far above the window of a model: the limit keeps the
	// tokenizer from reading what truncation would cut off.
	MaxTextBytes int
	// MaxTasks bounds the tasks that one request may name. Default 32.
	MaxTasks int
	// MetricTasks bounds the tasks with labels of their own in metrics. The first ones
	// get them; all others share one label. Default 512.
	MetricTasks int
	// MaxHeaderBytes bounds the header of a request. Default 32 KiB.
	MaxHeaderBytes int

	// APIKeys are the keys that requests other than probes must have, one of them. If
	// there are none, requests need no key. A key may be given as "sha256:" and its
	// SHA-256 in hexadecimal. Only digests are kept.
	APIKeys []string
	// AdminKeys are the keys of operations that change tasks. If there are none, these
	// operations are off. An admin key serves as an API key too.
	AdminKeys []string
	// CORSOrigins are the origins whose pages may read answers in a browser, such as
	// https://app.example.com, or "*" for all. None: only pages of the server itself.
	CORSOrigins []string
	// AllowedHosts are the host names, without port, that requests may be addressed
	// to, or "*" for any. A listener on a loopback address also accepts its own names
	// and no others; see hosts.go. Other listeners accept any name if there are none.
	AllowedHosts []string
	// LogLinesLost, if not nil, returns how many lines of the log were lost.
	LogLinesLost func() uint64
	// TracerProvider, if not nil, gets a span for each request.
	TracerProvider trace.TracerProvider
	// Tuner, if not nil, runs jobs that tune tasks. Without it their operations are off.
	Tuner Tuner
	// TLS, if not nil, encrypts connections; see [LoadTLS].
	TLS *tls.Config
	// About describes the server to clients whose API asks for it.
	About About

	// ReadHeaderTimeout bounds reading the header of a request. Default 10 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout bounds reading a whole request. Default 30 s.
	ReadTimeout time.Duration
	// RequestTimeout bounds waiting and computing. A request that exceeds it gets 503.
	// Default 60 s.
	RequestTimeout time.Duration
	// UploadTimeout replaces ReadTimeout and RequestTimeout for uploading or copying a
	// delta. Default 10 min.
	UploadTimeout time.Duration
	// WriteTimeout bounds sending an answer, or a message of a gRPC stream. Then the
	// connection, or the call, is closed. Default 30 s.
	WriteTimeout time.Duration
	// IdleTimeout closes a connection without requests. Default 2 min.
	IdleTimeout time.Duration

	// Grace is the time for which a server that drains still accepts requests, so that
	// load balancers notice that it is not ready. Default 0.
	Grace time.Duration
	// DrainTimeout bounds draining, Grace included. Requests that still run then are
	// cancelled and get 503. Default 30 s.
	DrainTimeout time.Duration
}

// defaultMemory is the account of a server that is given none.
const defaultMemory = 1 << 30

// About describes the server and its engine. A zero field is unknown.
type About = core.About

// withDefaults replaces zero fields by their defaults. The error is about a field.
func (o Options) withDefaults() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, n := range []struct {
		name  string
		value *int
		def   int
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
			*n.value = n.def
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
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
			*d.value = d.def
		}
	}
	if o.MaxBodyMemory < o.MaxBodyBytes {
		return o, fmt.Errorf("server: option MaxBodyMemory is %d, must be at least MaxBodyBytes, %d", o.MaxBodyMemory, o.MaxBodyBytes)
	}
	if o.Grace > o.DrainTimeout {
		return o, fmt.Errorf("server: option Grace is %s, must be at most DrainTimeout, %s", o.Grace, o.DrainTimeout)
	}
	return o, nil
}

// Check returns the error of [New] about the options.
func (o Options) Check() error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	_, err = o.rules()
	return err
}

// limits returns the options that bound a request.
func (o *Options) limits() core.Limits {
	return core.Limits{
		MaxBodyBytes: o.MaxBodyBytes, MaxUploadBytes: o.MaxUploadBytes,
		MaxTexts: o.MaxTexts, MaxTextBytes: o.MaxTextBytes, MaxTasks: o.MaxTasks,
		RequestTimeout: o.RequestTimeout, UploadTimeout: o.UploadTimeout, WriteTimeout: o.WriteTimeout,
	}
}
