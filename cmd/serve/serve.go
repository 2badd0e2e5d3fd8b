package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server"
)

type serveCmd struct {
	Config configFile `default:"config.yaml" placeholder:"FILE" help:"Configuration; its keys are these flags' names. A flag or an environment variable takes precedence."`

	Listen      string        `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on (default ${default})."`
	Base        string        `placeholder:"DIR" help:"Hugging Face folder of the base."`
	Store       string        `placeholder:"DIR" help:"Folder with the tasks' delta files."`
	Memory      byteSize      `default:"1GiB" placeholder:"BYTES" help:"Memory for loaded tasks beside the base (default ${default})."`
	Workers     int           `placeholder:"N" help:"Cores to use (default: all)."`
	BatchTokens int           `default:"4096" placeholder:"N" help:"Tokens of one forward pass (default ${default})."`
	MaxTokens   int           `placeholder:"N" help:"Tokens of a text, special ones included (default: what the model takes)."`
	MaxWaiting  int           `default:"1024" placeholder:"N" help:"Requests that may wait for execution (default ${default})."`
	RetryAfter  time.Duration `default:"5s" placeholder:"TIME" help:"How long a task that cannot be loaded is not tried again (default ${default})."`

	MaxBody        byteSize      `default:"4MiB" placeholder:"BYTES" help:"Body of a request (default ${default})."`
	MaxTexts       int           `default:"1024" placeholder:"N" help:"Texts of a request (default ${default})."`
	MaxText        byteSize      `default:"128KiB" placeholder:"BYTES" help:"One text (default ${default})."`
	RequestTimeout time.Duration `default:"60s" placeholder:"TIME" help:"Waiting and computing of a request (default ${default})."`
	DrainTimeout   time.Duration `default:"30s" placeholder:"TIME" help:"How long requests under way may take after a signal to stop (default ${default})."`

	LogFormat string     `default:"text" enum:"text,json" help:"Format of the log: ${enum}."`
	LogLevel  slog.Level `default:"info" placeholder:"LEVEL" help:"Least severe level to log: debug, info, warn or error."`
}

func (c *serveCmd) Run(ctx context.Context, s streams) (err error) {
	if c.Base == "" || c.Store == "" {
		return usageError{errors.New("serve: --base and --store are needed, as flags or in a configuration file")}
	}
	log := newLog(s.err, c.LogFormat, c.LogLevel)
	start := time.Now()
	e, err := runtime.Open(ctx, runtime.Config{
		BaseDir: c.Base, Store: delta.Folder(c.Store), Budget: int64(c.Memory), Workers: c.Workers,
		BatchTokens: c.BatchTokens, MaxTokens: c.MaxTokens, MaxWaiting: c.MaxWaiting, RetryAfter: c.RetryAfter, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	h, err := server.New(e, c.limits(log))
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	log.Info("serving", "address", "http://"+listener.Addr().String(), "base", e.Base().Name, "base_bytes", e.Base().Bytes(), "tasks", len(e.Tasks()), "took", time.Since(start))
	return h.Serve(ctx, listener)
}

// limits are the server's options; those that are not flags have its defaults.
func (c *serveCmd) limits(log *slog.Logger) server.Options {
	return server.Options{
		Logger:         log,
		MaxBodyBytes:   int(c.MaxBody),
		MaxTexts:       c.MaxTexts,
		MaxTextBytes:   int(c.MaxText),
		RequestTimeout: c.RequestTimeout,
		DrainTimeout:   c.DrainTimeout,
	}
}

func newLog(out io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// quiet is the log of commands that report their errors themselves.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
