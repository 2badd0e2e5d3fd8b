package server

import (
	"fmt"
	"log/slog"
	"time"
)

// Options configure a [Server]. A zero field means its default.
type Options struct {
	// Logger gets one line a request and what goes wrong; never the content of
	// a text. Nil logs nothing.
	Logger *slog.Logger

	// MaxBodyBytes bounds a request's body. Default 4 MiB.
	MaxBodyBytes int
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

	// ReadHeaderTimeout is for a request's header. Default 10 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is for a whole request, body included. Default 30 s.
	ReadTimeout time.Duration
	// RequestTimeout is for waiting and computing; a request that exceeds it
	// gets 503. Default 60 s.
	RequestTimeout time.Duration
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
	if o.Grace > o.DrainTimeout {
		return o, fmt.Errorf("server: option Grace is %s, longer than DrainTimeout, %s", o.Grace, o.DrainTimeout)
	}
	return o, nil
}
