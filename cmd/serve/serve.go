package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"kenserve/gemm"
	"kenserve/runtime"
	"kenserve/server"
)

type serveCmd struct {
	Config configFile `default:"config.yaml" placeholder:"FILE" help:"YAML file with values for these flags, under their names. A flag or an environment variable takes precedence."`

	Listen      string        `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on for HTTP, HOST:PORT (default ${default}). :PORT listens on all interfaces."`
	GRPCListen  string        `name:"grpc-listen" placeholder:"ADDR" help:"Address to listen on for the Open Inference Protocol over gRPC (default: gRPC is off)."`
	AdminListen string        `placeholder:"ADDR" help:"Address to listen on for Go's profiles and metrics, without key; only operators should reach it (default: off)."`
	Base        string        `type:"model" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded. Required."`
	Store       string        `placeholder:"DIR|URL" help:"Store of delta files: a folder, or the URL of a bucket (s3://, gs://, azblob:// or file://). File NAME.ken is served as task NAME. Required."`
	Watch       time.Duration `default:"2s" placeholder:"TIME" help:"Time between scans of the store for new, replaced and removed tasks (default ${default}); 0 turns scans off. A large store is scanned less often."`
	Memory      byteSize      `placeholder:"BYTES" help:"Maximum memory of the process in bytes, base, tasks, requests and connections included (default: three quarters of the memory of the machine or container). Tasks beyond it are evicted and loaded again on demand; requests beyond their part of it are refused with 429."`
	Compute     gemm.Compute  `default:"float32" placeholder:"TYPE" help:"Number type of products in dense layers: float32, bfloat16 or int8 (default ${default}). bfloat16 and int8 are less exact, and faster where the processor supports them."`
	Pin         []string      `placeholder:"TASK,..." help:"Tasks to load at the start, make hot and never evict."`
	Prefetch    []string      `placeholder:"TASK,..." help:"Tasks to load at the start while there is memory; * means all."`
	Loads       int           `placeholder:"N" help:"Maximum number of tasks that are loaded at the same time (default: --workers)."`
	Workers     int           `placeholder:"N" help:"Number of cores that compute (default: all)."`
	BatchTokens int           `default:"1024" placeholder:"N" help:"Maximum number of tokens in one forward pass (default ${default}). A longer text gets a pass of its own."`
	BatchWait   time.Duration `default:"0s" placeholder:"TIME" help:"Maximum time that a text waits for others to fill its forward pass (default ${default}). With 0s, texts wait only while all cores are busy."`
	MaxTokens   int           `placeholder:"N" help:"Maximum number of tokens in a text, special tokens included (default: the model's maximum). Longer texts are truncated, or refused with 422 if the request forbids that."`
	MaxWaiting  int           `default:"1024" placeholder:"N" help:"Maximum number of requests that wait for execution (default ${default}); further requests are refused with 429."`

	MaxWaitingTokens int `default:"262144" placeholder:"N" help:"Maximum number of tokens that may wait for execution when a request arrives (default ${default}); otherwise the request is refused with 429."`

	RetryAfter time.Duration `default:"5s" placeholder:"TIME" help:"Time after a failed load of a task before it is tried again (default ${default})."`

	cacheFlags
	tuneFlags

	MaxBody        byteSize      `default:"4MiB" placeholder:"BYTES" help:"Maximum size of a request body in bytes (default ${default}); larger bodies are refused with 413."`
	MaxUpload      byteSize      `default:"1GiB" placeholder:"BYTES" help:"Maximum size of an uploaded delta in bytes (default ${default}); larger ones are refused with 413."`
	MaxBodyMemory  byteSize      `default:"256MiB" placeholder:"BYTES" help:"Maximum size of all request bodies in memory, in bytes (default ${default}); further requests are refused with 429. The part of --memory for requests bounds them too."`
	MaxConnections int           `default:"4096" placeholder:"N" help:"Maximum number of connections to each address (default ${default}; with little --memory fewer). A further one takes the place of one that is idle; if all are busy, it gets answers to probes only, and 429 to other requests."`
	MaxTexts       int           `default:"1024" placeholder:"N" help:"Maximum number of texts in a request (default ${default}); larger requests are refused with 422."`
	MaxText        byteSize      `default:"128KiB" placeholder:"BYTES" help:"Maximum size of one text in bytes (default ${default}); larger texts are refused with 422."`
	MaxTasks       int           `default:"32" placeholder:"N" help:"Maximum number of tasks in a request (default ${default}); larger requests are refused with 422."`
	MaxHeader      byteSize      `default:"32KiB" placeholder:"BYTES" help:"Maximum size of a request's header in bytes (default ${default}); larger headers are refused with 431."`
	HeaderTimeout  time.Duration `default:"10s" placeholder:"TIME" help:"Maximum time to receive a request's header (default ${default}); then the connection is closed."`
	ReadTimeout    time.Duration `default:"30s" placeholder:"TIME" help:"Maximum time to receive a whole request, or the message of a gRPC call (default ${default}); then it is refused with 408, or DEADLINE_EXCEEDED."`
	UploadTimeout  time.Duration `default:"10m" placeholder:"TIME" help:"Maximum time to receive an upload, or to copy a task (default ${default}); then it is refused with 408."`
	WriteTimeout   time.Duration `default:"30s" placeholder:"TIME" help:"Maximum time in which a client must read a response, or a message of a gRPC stream (default ${default}); then the connection or call is closed."`
	IdleTimeout    time.Duration `default:"2m" placeholder:"TIME" help:"Maximum time that a connection stays open without a request (default ${default})."`
	RequestTimeout time.Duration `default:"60s" placeholder:"TIME" help:"Maximum time that a request waits and computes (default ${default}); then the answer is 503. A request that would take longer, by the measured speed and the work that waits, is refused at once with 429."`
	Grace          time.Duration `default:"0s" placeholder:"TIME" help:"Time after SIGTERM or SIGINT during which requests are still accepted while /readyz already fails, so that load balancers choose other replicas (default ${default})."`
	DrainTimeout   time.Duration `default:"30s" placeholder:"TIME" help:"Maximum time from SIGTERM or SIGINT to the end, --grace included (default ${default}); requests that still run then are answered with 503."`

	APIKey       secret       `name:"api-key" placeholder:"KEY" help:"Key that every request except health probes must have, or sha256: and its SHA-256 in hexadecimal. Other users of the machine can read a command line: prefer the environment variable or --api-key-file."`
	APIKeyFile   keyFile      `name:"api-key-file" placeholder:"FILE" help:"File with such keys, one a line; lines that begin with # are comments. SIGHUP reads it again."`
	AdminKeyFile keyFile      `placeholder:"FILE" help:"File with keys for requests that change tasks, one a line. Without it such requests are refused. SIGHUP reads it again."`
	TLSCert      securityFile `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM. It turns on TLS for --listen, --grpc-listen and --admin-listen. A changed file is read again."`
	TLSKey       securityFile `name:"tls-key" placeholder:"FILE" help:"Private key of --tls-cert in PEM. A changed file is read again."`

	AllowedHosts []string `name:"allowed-host" placeholder:"HOST,..." help:"Host names that requests may be addressed to, for example kenserve.example.com; * allows any. An address on the loopback interface answers to localhost and loopback addresses only, unless names are allowed here; other addresses answer to any name, unless names are given."`
	CORSOrigins  []string `name:"cors-origin" placeholder:"ORIGIN,..." help:"Origins whose web pages may send requests and read answers in a browser, for example https://app.example.com; * allows all (default: none)."`

	MetricTasks int `default:"512" placeholder:"N" help:"Maximum number of tasks with their own label in metrics (default ${default}); further tasks share the label _other."`

	LogFormat string     `default:"text" enum:"text,json" help:"Format of the log: ${enum}."`
	LogLevel  slog.Level `default:"info" placeholder:"LEVEL" help:"Lowest level to log: debug, info, warn or error (default ${default})."`

	Strict bool `help:"Refuse settings of the base's files that are unknown, instead of a warning in the log: config.json and the tokenizer's files."`
	Check  bool `help:"Load the base and every task, print the tasks that cannot be served and why, and exit without serving."`
}

func (c *serveCmd) Run(ctx context.Context, s streams, settings func() (*serveSettings, error), drains *atomic.Bool) (err error) {
	hangups, stopHangups := catchHangups()
	defer stopHangups()
	if c.Base == "" || c.Store == "" {
		return usageError{errors.New("serve: --base and --store are required, as flags, environment variables or keys of the configuration file")}
	}
	level := new(slog.LevelVar)
	level.Set(c.LogLevel)
	log, lines := newServerLog(s.err, c.LogFormat, level)
	defer lines.Close(logFlushTimeout)
	again := &reloader{read: settings, level: level, log: log}
	if again.first, err = settings(); err != nil {
		return usageError{err}
	}
	options, err := c.serverOptions(log, again.certificateFailed)
	if err != nil {
		return err
	}
	options.LogLinesLost = lines.Lost
	start := time.Now()
	defer c.reserveThread()()
	cache := c.cacheFlags.open()
	store, closeStore, err := openStore(ctx, c.Store, cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	e, err := runtime.Open(ctx, c.engineConfig(store, cache, log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := reportUnknown("serve", c.Strict, func(line string) { log.Warn(line) }, e.Base().Unknown()...); err != nil {
		return err
	}
	options.About = c.about(e)
	options.Memory = e.Requests()
	if c.Check {
		return c.check(ctx, e, s)
	}
	provider, err := newTracerProvider(ctx, log)
	if err != nil {
		return err
	}
	if provider != nil {
		options.TracerProvider = provider
		defer func() {
			flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), traceFlushTimeout)
			defer cancel()
			if err := provider.Shutdown(flush); err != nil {
				log.Warn("traces: the last spans were not sent", "error", err)
			}
		}()
	}
	tunings, err := c.tuneFlags.open(e, c.Base, log)
	if err != nil {
		return err
	}
	if tunings != nil {
		options.Tuner = tunings
		defer func() { err = errors.Join(err, tunings.Close()) }()
	}
	h, err := server.New(e, options)
	if err != nil {
		return err
	}
	again.server = h
	tasks, err := e.Tasks()
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	// From here on callers may be answered.
	if drains.Store(true); ctx.Err() != nil {
		return ctx.Err()
	}
	listeners, err := c.listen(ctx, h, options.TLS != nil)
	if err != nil {
		return err
	}
	attrs := []any{"base", e.Base().Name, "base_bytes", e.Base().Bytes(), "tasks", len(tasks), "took", time.Since(start)}
	for _, l := range listeners {
		attrs = append(attrs, l.name, l.scheme+l.open.Addr().String())
	}
	log.Info("serving", attrs...)
	// If one listener fails, the others stop too.
	g, serving := errgroup.WithContext(ctx)
	var reloads sync.WaitGroup
	reloading, stopReloading := context.WithCancel(ctx)
	reloads.Go(func() { again.run(reloading, hangups) })
	defer reloads.Wait()
	defer stopReloading()
	if tunings != nil {
		g.Go(func() error { return tunings.Run(serving) })
	}
	for _, l := range listeners {
		g.Go(func() error { return l.serve(serving, l.open) })
	}
	return g.Wait()
}

// listener is an open address and the part of the server that answers there.
type listener struct {
	name   string // in the log
	scheme string // in the log, before the address
	serve  func(context.Context, net.Listener) error
	open   net.Listener
}

// listen opens the addresses of the flags. If one cannot be opened, it closes the others.
func (c *serveCmd) listen(ctx context.Context, h *server.Server, tls bool) ([]listener, error) {
	scheme := "http://"
	if tls {
		scheme = "https://"
	}
	var listeners []listener
	for _, l := range []struct {
		flag, address string
		listener
	}{
		{"--listen", c.Listen, listener{"address", scheme, h.Serve, nil}},
		{"--grpc-listen", c.GRPCListen, listener{"grpc", "", h.ServeGRPC, nil}},
		{"--admin-listen", c.AdminListen, listener{"admin", scheme, h.ServeAdmin, nil}},
	} {
		if l.address == "" {
			continue
		}
		var err error
		if l.open, err = (&net.ListenConfig{}).Listen(ctx, "tcp", l.address); err != nil {
			for _, other := range listeners {
				_ = other.open.Close()
			}
			return nil, fmt.Errorf("serve: %w; choose another address with %s", err, l.flag)
		}
		listeners = append(listeners, l.listener)
	}
	return listeners, nil
}
