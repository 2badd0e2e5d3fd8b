package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/servertest"
)

// Health follows readiness, for Check and for Watch.
func TestGRPCHealth(t *testing.T) {
	e := servertest.NewEngine()
	s := newServer(t, e, Options{APIKeys: []string{"use"}})
	d := dial(t, s)
	client := grpc_health_v1.NewHealthClient(d)
	for name, want := range map[string]codes.Code{"": codes.OK, "inference.GRPCInferenceService": codes.OK, "nothing": codes.NotFound} {
		got, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
		if status.Code(err) != want || err == nil && got.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	watch, err := client.Watch(t.Context(), new(grpc_health_v1.HealthCheckRequest))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err != nil || got.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("watch: %v, %v", got, err)
	}
	s.core.Drain()
	if got, err := watch.Recv(); err != nil || got.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("watch: %v, %v", got, err)
	}
	if got, err := client.Check(t.Context(), new(grpc_health_v1.HealthCheckRequest)); err != nil || got.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("check: %v, %v", got, err)
	}
	if got, err := d.infer.ServerReady(t.Context(), new(pb.ServerReadyRequest)); err != nil || got.Ready {
		t.Errorf("ready: %v, %v", got, err)
	}
	_ = d.Close() // ends the watch
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}

// The work of a client that leaves is cancelled. A shutdown waits for calls, up to the
// drain timeout.
func TestGRPCEnds(t *testing.T) {
	q := &pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", "a")}}
	for _, c := range []struct {
		name    string
		drain   time.Duration
		act     func(d *dialed, cancel context.CancelFunc, release func())
		code    codes.Code
		aborted bool
	}{
		{"the client leaves", time.Minute, func(_ *dialed, cancel context.CancelFunc, _ func()) { cancel() }, codes.Canceled, false},
		{"drained", time.Minute, func(d *dialed, _ context.CancelFunc, release func()) {
			d.cancel()
			time.Sleep(20 * time.Millisecond)
			release()
		}, codes.OK, false},
		{"aborted", 50 * time.Millisecond, func(d *dialed, _ context.CancelFunc, _ func()) { d.cancel() }, codes.Unavailable, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := servertest.NewEngine()
			entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			e.Before = func(ctx context.Context, _ string) error {
				close(entered)
				select {
				case <-leave:
				case <-ctx.Done():
				}
				left <- ctx.Err()
				return ctx.Err()
			}
			d := dial(t, newServer(t, e, Options{DrainTimeout: c.drain}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := make(chan error)
			go func() { _, err := d.infer.ModelInfer(ctx, q); got <- err }()
			<-entered
			c.act(d, cancel, func() { close(leave) })
			if err := <-got; status.Code(err) != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
			if err := <-left; (err == nil) != (c.code == codes.OK) {
				t.Errorf("the engine saw %v", err)
			}
			if err := d.stop(); (err != nil) != c.aborted {
				t.Errorf("ServeGRPC: %v", err)
			}
		})
	}
	s := newServer(t, servertest.NewEngine(), Options{})
	d := dial(t, s)
	if _, err := d.infer.ServerLive(t.Context(), new(pb.ServerLiveRequest)); err != nil {
		t.Error(err)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if err := s.ServeGRPC(t.Context(), nil); err == nil {
		t.Error("ServeGRPC runs twice")
	}
}

// Messages of calls count against the same budget as bodies of HTTP requests.
func TestGRPCMemory(t *testing.T) {
	e := servertest.NewEngine()
	entered, leave := make(chan struct{}), make(chan struct{})
	e.Before = func(_ context.Context, task string) error {
		if task == "trec" {
			close(entered)
			<-leave
		}
		return nil
	}
	s := newServer(t, e, Options{MaxBodyBytes: 1000, MaxBodyMemory: 1000})
	d := dial(t, s)
	ask := func(task string, bytes int) error {
		_, err := d.infer.ModelInfer(t.Context(), &pb.ModelInferRequest{ModelName: task, Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", strings.Repeat("x", bytes))}})
		return err
	}
	done := make(chan error)
	go func() { done <- ask("trec", 600) }()
	<-entered
	if err := ask("sst2", 600); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the second: %v", err)
	}
	if err := ask("sst2", 100); err != nil {
		t.Errorf("a small one: %v", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := ask("sst2", 600); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if used := usedBytes(s); used != 0 {
		t.Errorf("%d bytes still count", used)
	}
}

func TestGRPCOverTLS(t *testing.T) {
	pair := newPair(t, "first")
	config, err := LoadTLS(pair.cert, pair.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := dial(t, newServer(t, servertest.NewEngine(), Options{TLS: config}), grpc.WithTransportCredentials(credentials.NewTLS(pair.client())))
	if _, err := d.infer.ServerLive(t.Context(), new(pb.ServerLiveRequest)); err != nil {
		t.Error(err)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}
