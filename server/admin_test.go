package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"kenserve/server/internal/servertest"
)

func TestAdmin(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"use"}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- s.ServeAdmin(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{
		"/metrics":                  "kenserve_queue_seconds",
		"/debug/pprof/":             "goroutine",
		"/debug/pprof/heap?debug=1": "heap profile",
		"/debug/pprof/cmdline":      "server.test",
	} {
		status, body, err := get(client, "http://"+ln.Addr().String()+path)
		if err != nil || status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, %v: %.100s", path, status, err, body)
		}
	}
	for _, path := range []string{"/", "/tasks", "/classify"} {
		if status, _, err := get(client, "http://"+ln.Addr().String()+path); err != nil || status != http.StatusNotFound {
			t.Errorf("%s: status %d, %v", path, status, err)
		}
	}
	// A running request does not delay the end.
	slow := make(chan error)
	go func() {
		_, _, err := get(client, "http://"+ln.Addr().String()+"/debug/pprof/profile?seconds=60")
		slow <- err
	}()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-slow
	ln.Close()
	if err := s.ServeAdmin(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
}

// TestAdminTLS: a certificate holds for the admin listener, too.
func TestAdminTLS(t *testing.T) {
	p := newPair(t, "admin")
	config, err := LoadTLS(p.cert, p.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, servertest.NewEngine(), Options{TLS: config})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.ServeAdmin(ctx, ln) }()
	for scheme, right := range map[string]bool{"https": true, "http": false} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: p.client()}}
		status, _, err := get(client, scheme+"://"+ln.Addr().String()+"/metrics")
		if answered := err == nil && status == http.StatusOK; answered != right {
			t.Errorf("%s: status %d, %v", scheme, status, err)
		}
		client.CloseIdleConnections()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Only the admin listener has profiles.
func TestNoProfilesElsewhere(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{AdminKeys: []string{"admin"}})
	for _, path := range []string{"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		if w := do(s, http.MethodGet, path, "", asAdmin...); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}
