package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress; the limit is on what comes out
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/api/oip"
)

// Limits of gRPC connections that Options do not have.
const (
	grpcMaxStreams     = 128              // calls of a connection at the same time
	grpcPingInterval   = time.Minute      // idle time after which the server pings a client
	grpcPingTimeout    = 20 * time.Second // time for the client to answer
	grpcMinPingTime    = 10 * time.Second // shortest time between pings of a client
	grpcHealthInterval = time.Second      // between updates for clients that watch health
)

// ServeGRPC answers the gRPC calls on ln until ctx ends, drains, and closes ln. The
// services are the Open Inference Protocol, health and reflection. It drains as
// [Server.Serve] does, and may run at the same time. Call it once.
func (s *Server) ServeGRPC(ctx context.Context, ln net.Listener) error {
	if !s.servingGRPC.CompareAndSwap(false, true) {
		return errors.New("server: ServeGRPC may be called only once")
	}
	s.grpcLoopback.Store(isLoopback(ln))
	o := &s.options
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.intercept),
		grpc.ChainStreamInterceptor(s.interceptStream),
		grpc.MaxRecvMsgSize(o.MaxBodyBytes),
		grpc.MaxHeaderListSize(uint32(o.MaxHeaderBytes)),
		grpc.MaxConcurrentStreams(grpcMaxStreams),
		grpc.ConnectionTimeout(o.ReadHeaderTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: o.IdleTimeout, Time: grpcPingInterval, Timeout: grpcPingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: grpcMinPingTime, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.tlsConfig("h2"))))
	}
	srv := grpc.NewServer(options...)
	oip.RegisterGRPC(srv, s.core)
	healthy := &healthService{health.NewServer(), s}
	grpc_health_v1.RegisterHealthServer(srv, healthy)
	reflection.Register(srv)

	var accepting error
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		accepting = srv.Serve(netutil.LimitListener(ln, o.MaxConnections))
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
	deadline := time.NewTimer(o.DrainTimeout)
	defer deadline.Stop()
	if o.Grace > 0 {
		select {
		case <-stopped:
		case <-time.After(o.Grace):
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		srv.GracefulStop()
	}()
	var aborted error
	select {
	case <-drained:
	case <-deadline.C:
		srv.Stop() // cancels the calls, and GracefulStop returns
		<-drained
		aborted = fmt.Errorf("server: gRPC calls were aborted after draining for %s", o.DrainTimeout)
	}
	<-stopped
	if accepting == nil || errors.Is(accepting, grpc.ErrServerStopped) {
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
