package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/api/oip"
)

// Limits of gRPC connections that Options do not have.
const (
	grpcMaxStreams     = 128              // calls of a connection at the same time
	grpcPingInterval   = time.Minute      // idle time after which the server pings a client
	grpcPingTimeout    = 20 * time.Second // time for the client to answer
	grpcHealthInterval = time.Second      // between updates for clients that watch health
)

// http2Config bounds what an HTTP/2 connection takes: bytes that have arrived and were
// not read, and calls at the same time.
func (s *Server) http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          grpcMaxStreams,
		MaxReceiveBufferPerConnection: 128 << 10,
		MaxReceiveBufferPerStream:     64 << 10,
		SendPingTimeout:               grpcPingInterval,
		PingTimeout:                   grpcPingTimeout,
		WriteByteTimeout:              s.options.WriteTimeout,
	}
}

// ServeGRPC answers the gRPC calls on ln until ctx ends, drains, and closes ln. The
// services are the Open Inference Protocol, health and reflection. It drains as
// [Server.Serve] does, and may run at the same time. Call it once.
func (s *Server) ServeGRPC(ctx context.Context, ln net.Listener) error {
	if !s.servingGRPC.CompareAndSwap(false, true) {
		return errors.New("server: ServeGRPC may be called only once")
	}
	s.grpcLoopback.Store(isLoopback(ln))
	o := &s.options
	calls := grpc.NewServer(
		grpc.ChainUnaryInterceptor(s.intercept),
		grpc.ChainStreamInterceptor(s.interceptStream),
		grpc.MaxRecvMsgSize(o.MaxBodyBytes),
	)
	oip.RegisterGRPC(calls, s.core)
	healthy := &healthService{health.NewServer(), s}
	grpc_health_v1.RegisterHealthServer(calls, healthy)
	reflection.Register(calls)
	front, err := newGRPCFront(s, calls)
	if err != nil {
		return err
	}
	limited := s.listen(ln, "grpc", secureConnectionBytes)
	srv := &http.Server{
		Handler: front, ConnState: limited.changed, ConnContext: withConnection,
		Protocols: new(http.Protocols), HTTP2: s.http2Config(),
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		ReadTimeout:       o.ReadTimeout,
		WriteTimeout:      o.ReadTimeout + o.RequestTimeout + o.WriteTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	var accepting error
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if o.TLS != nil {
			srv.Protocols.SetHTTP2(true)
			srv.TLSConfig = s.tlsConfig("h2")
			accepting = srv.ServeTLS(limited, "", "")
		} else {
			srv.Protocols.SetUnencryptedHTTP2(true)
			accepting = srv.Serve(limited)
		}
	}()
	updates := time.NewTicker(grpcHealthInterval)
	defer updates.Stop()
	for up := true; up; {
		healthy.update()
		select {
		case <-updates.C:
		case <-stopped: // ln failed
			up = false
		case <-ctx.Done():
			up = false
		}
	}

	s.core.Drain()
	healthy.Shutdown()
	o.Logger.LogAttrs(ctx, slog.LevelInfo, "draining gRPC", slog.Duration("timeout", o.DrainTimeout))
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), o.DrainTimeout)
	defer stop()
	if o.Grace > 0 {
		select {
		case <-stopped:
		case <-time.After(o.Grace):
		}
	}
	s.endGRPCStreams()
	aborted := srv.Shutdown(drain)
	if aborted != nil {
		s.endGRPCCalls()
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
		defer stop()
		_ = srv.Shutdown(last)
		_ = srv.Close()
		aborted = fmt.Errorf("server: gRPC calls were aborted after draining for %s: %w", o.DrainTimeout, aborted)
	}
	<-stopped
	calls.Stop() // its calls have ended, or their connections are closed
	if errors.Is(accepting, http.ErrServerClosed) {
		return aborted
	}
	return errors.Join(fmt.Errorf("server: accept on %s: %w", ln.Addr(), accepting), aborted)
}

// healthService is grpc.health.v1. It has one state for the whole server, under the
// name of the protocol and the empty name.
type healthService struct {
	*health.Server
	s *Server
}

// update sets the state from the readiness of the server.
func (h *healthService) update() {
	state := grpc_health_v1.HealthCheckResponse_SERVING
	if h.s.core.Ready() != nil {
		state = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	h.SetServingStatus("", state)
	h.SetServingStatus(pb.GRPCInferenceService_ServiceDesc.ServiceName, state)
}

// Check answers with the present state, not with that of the last update.
func (h *healthService) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	h.update()
	return h.Server.Check(ctx, q)
}
