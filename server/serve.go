package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"kenserve/server/internal/core"
)

// lastWords is how long requests have to answer 503 once the drain deadline
// has cancelled them.
const lastWords = time.Second

// Serve answers the requests that come in on ln until ctx ends, and closes ln.
// Then readiness goes off, requests go on being accepted for Options.Grace, and
// those under way are waited for until Options.DrainTimeout has passed. What
// still runs then is cancelled and gets a second to say so.
//
// It returns nil if every request was answered in time, and an error if some
// were cut or ln failed. No goroutine is left when it returns, provided that
// the engine heeds its context. A server serves once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if !s.serving.CompareAndSwap(false, true) {
		return errors.New("server: Serve was called before")
	}
	log := s.options.Logger
	requests, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(core.ErrShutdown)
	srv := &http.Server{
		Handler:           s.router,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: s.options.ReadHeaderTimeout,
		ReadTimeout:       s.options.ReadTimeout,
		// This one runs from the end of the header.
		WriteTimeout:   s.options.ReadTimeout + s.core.Limits.RequestTimeout + s.core.Limits.WriteTimeout,
		IdleTimeout:    s.options.IdleTimeout,
		MaxHeaderBytes: s.options.MaxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	var accepting error
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		limited := netutil.LimitListener(ln, s.options.MaxConnections)
		if s.options.TLS != nil {
			srv.TLSConfig = s.options.TLS.Clone()
			accepting = srv.ServeTLS(limited, "", "")
		} else {
			accepting = srv.Serve(limited)
		}
	}()
	select {
	case <-stopped: // ln failed
	case <-ctx.Done():
	}

	s.core.Drain()
	log.LogAttrs(ctx, slog.LevelInfo, "draining", slog.Duration("grace", s.options.Grace), slog.Duration("timeout", s.options.DrainTimeout))
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), s.options.DrainTimeout)
	defer stop()
	if s.options.Grace > 0 {
		select {
		case <-stopped:
		case <-time.After(s.options.Grace):
		}
	}
	cut := srv.Shutdown(drain)
	if cut != nil {
		cancel(core.ErrShutdown)
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer stop()
		_ = srv.Shutdown(last)
		_ = srv.Close()
		cut = fmt.Errorf("server: requests were cut after draining for %s: %w", s.options.DrainTimeout, cut)
	}
	<-stopped
	if errors.Is(accepting, http.ErrServerClosed) {
		return cut
	}
	return errors.Join(fmt.Errorf("server: accept on %s: %w", ln.Addr(), accepting), cut)
}
