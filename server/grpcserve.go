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

// What a gRPC connection may do beyond what Options say.
const (
	grpcStreams   = 128              // calls at a time
	grpcPing      = time.Minute      // when a silent connection is asked whether it lives
	grpcPong      = 20 * time.Second // and how long it has to say so
	grpcPingLeast = 10 * time.Second // between a client's pings
	grpcHealth    = time.Second      // between looks at the engine for those who watch health
)

// ServeGRPC answers the gRPC calls that come in on ln until ctx ends, and closes
// ln: the Open Inference Protocol, health and reflection. It ends as
// [Server.Serve] does, which it may run beside. It serves once.
func (s *Server) ServeGRPC(ctx context.Context, ln net.Listener) error {
	if !s.servingGRPC.CompareAndSwap(false, true) {
		return errors.New("server: ServeGRPC was called before")
	}
	o := &s.options
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.intercept),
		grpc.ChainStreamInterceptor(s.interceptStream),
		grpc.MaxRecvMsgSize(o.MaxBodyBytes),
		grpc.MaxHeaderListSize(uint32(o.MaxHeaderBytes)),
		grpc.MaxConcurrentStreams(grpcStreams),
		grpc.ConnectionTimeout(o.ReadHeaderTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: o.IdleTimeout, Time: grpcPing, Timeout: grpcPong}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: grpcPingLeast, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
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
	looks := time.NewTicker(grpcHealth)
	defer looks.Stop()
	for up := true; up; {
		healthy.look()
		select {
		case <-looks.C:
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
	var cut error
	select {
	case <-drained:
	case <-deadline.C:
		srv.Stop() // cancels the calls, and GracefulStop returns
		<-drained
		cut = fmt.Errorf("server: gRPC calls were cut after draining for %s", o.DrainTimeout)
	}
	<-stopped
	if accepting == nil || errors.Is(accepting, grpc.ErrServerStopped) {
		return cut
	}
	return errors.Join(fmt.Errorf("server: accept on %s: %w", ln.Addr(), accepting), cut)
}

// healthService is grpc.health.v1 for the server as a whole, under its own and
// the empty name.
type healthService struct {
	*health.Server
	s *Server
}

// look makes health what readiness is.
func (h *healthService) look() {
	state := grpc_health_v1.HealthCheckResponse_SERVING
	if h.s.core.Ready() != nil {
		state = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	h.SetServingStatus("", state)
	h.SetServingStatus(pb.GRPCInferenceService_ServiceDesc.ServiceName, state)
}

// Check answers with what is, not with what the last look saw.
func (h *healthService) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	h.look()
	return h.Server.Check(ctx, q)
}
