package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"kenserve/server/internal/core"
)

// cancelTimeout is the time for requests to answer 503 after the drain timeout has
// cancelled them.
const cancelTimeout = time.Second

// Serve answers the requests on ln until ctx ends, drains, and closes ln. Draining
// begins with the server not ready; for Options.Grace it still accepts requests. Then
// it waits for the requests under way until Options.DrainTimeout has passed since ctx
// ended. It cancels those that still run, which have a second to answer 503.
//
// Serve returns nil if every request was answered in time, and an error if some were
// aborted or ln failed. It leaves no goroutine behind if the engine obeys its
// contexts. Call it once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if !s.serving.CompareAndSwap(false, true) {
		return errors.New("server: Serve may be called only once")
	}
	log := s.options.Logger
	requests, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(core.ErrShutdown)
	bytes := int64(plainConnectionBytes)
	if s.options.TLS != nil {
		bytes = secureConnectionBytes
	}
	limited := s.listen(ln, "http", bytes)
	srv := &http.Server{
		Handler:     s.router,
		ConnState:   limited.changed,
		BaseContext: func(net.Listener) context.Context { return onListener(requests, ln) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return withFraming(withConnection(ctx, c), c) },
		HTTP2:       s.http2Config(),
		// The middleware that follows connections must see every request.
		DisableGeneralOptionsHandler: true,

		ReadHeaderTimeout: s.options.ReadHeaderTimeout,
		ReadTimeout:       s.options.ReadTimeout,
		// It runs from the end of the header. An answer gets the write timeout alone when
		// it is written; see route.Write.
		WriteTimeout:   s.options.ReadTimeout + s.core.Limits.RequestTimeout + s.core.Limits.WriteTimeout,
		IdleTimeout:    s.options.IdleTimeout,
		MaxHeaderBytes: s.options.MaxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	var accepting error
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if s.options.TLS != nil {
			srv.TLSConfig = s.tlsConfig("h2", "http/1.1")
			accepting = srv.ServeTLS(limited, "", "")
		} else {
			accepting = srv.Serve(framedListener{limited})
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
	aborted := srv.Shutdown(drain)
	if aborted != nil {
		cancel(core.ErrShutdown)
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
		defer stop()
		_ = srv.Shutdown(last)
		_ = srv.Close()
		aborted = fmt.Errorf("server: requests were aborted after draining for %s: %w", s.options.DrainTimeout, aborted)
	}
	<-stopped
	if errors.Is(accepting, http.ErrServerClosed) {
		return aborted
	}
	return errors.Join(fmt.Errorf("server: accept on %s: %w", ln.Addr(), accepting), aborted)
}
