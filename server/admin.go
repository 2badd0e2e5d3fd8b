package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
)

// ServeAdmin serves Go's profiles under /debug/pprof, and /metrics, on a listener for
// operators until ctx ends. It needs no key: the address must keep others out. With
// Options.TLS it is encrypted as all listeners are. The requests that run when ctx ends
// are aborted.
func (s *Server) ServeAdmin(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", programName)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("GET "+metricsPath, s.metrics.handler(s.options.Logger))
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			secure(w.Header())
			if fault := framingOf(w.Header(), r); fault != "" {
				http.Error(w, "the request "+fault, http.StatusBadRequest)
				return
			}
			if refused := s.rules.Load().refuse(r); refused != nil {
				http.Error(w, refused.Message, refused.Status)
				return
			}
			mux.ServeHTTP(w, r)
		}),
		BaseContext: func(net.Listener) context.Context { return onListener(ctx, ln) },
		ConnContext: withFraming,
		// See framing.go.
		DisableGeneralOptionsHandler: true,

		ReadHeaderTimeout: s.options.ReadHeaderTimeout,
		ReadTimeout:       s.options.ReadTimeout,
		IdleTimeout:       s.options.IdleTimeout,
		MaxHeaderBytes:    s.options.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	serve := func() error { return srv.Serve(framedListener{ln}) }
	if s.options.TLS != nil {
		srv.TLSConfig = s.tlsConfig("h2", "http/1.1")
		serve = func() error { return srv.ServeTLS(ln, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("server: accept on %s: %w", ln.Addr(), err)
	}
	return nil
}

// programName answers where pprof has the command line, which may have a key in it.
func programName(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, os.Args[0])
}
