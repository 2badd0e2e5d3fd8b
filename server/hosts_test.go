package server

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/servertest"
)

func TestAllowedHosts(t *testing.T) {
	for _, c := range []struct {
		allowed  []string
		host     string
		loopback bool
		ok       bool
	}{
		{nil, "localhost", true, true},
		{nil, "LocalHost:8080", true, true},
		{nil, "localhost.", true, true},
		{nil, "127.0.0.1:80", true, true},
		{nil, "127.255.0.9", true, true},
		{nil, "[::1]:80", true, true},
		{nil, "[::1]", true, true},
		{nil, "[::ffff:127.0.0.1]:80", true, true},
		{nil, "", true, true}, // HTTP/1.0
		{nil, "evil.example", true, false},
		{nil, "evil.example:8080", true, false},
		{nil, "localhost.evil.example", true, false},
		{nil, "evil-localhost", true, false},
		{nil, "127.0.0.1.evil.example", true, false},
		{nil, "0.0.0.0:8080", true, false},
		{nil, "10.0.0.1", true, false},
		{nil, "[::]:80", true, false},
		{nil, "localhost@evil.example", true, false},
		{nil, " localhost", true, false},
		{[]string{"Kenserve.example"}, "kenserve.example:443", true, true},
		{[]string{"kenserve.example"}, "localhost", true, true},
		{[]string{"kenserve.example"}, "x.kenserve.example", true, false},
		{[]string{"kenserve.example"}, "evil.example", true, false},
		{[]string{"*"}, "evil.example", true, true},
		{[]string{"10.0.0.1"}, "10.0.0.1:80", true, true},
		{nil, "evil.example", false, true},
		{[]string{"kenserve.example"}, "evil.example", false, false},
		{[]string{"kenserve.example"}, "kenserve.example", false, true},
		{[]string{"kenserve.example"}, "10.0.0.7:8080", false, true}, // a probe
	} {
		a, err := newAllowedHosts(c.allowed)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.allow(c.host, c.loopback); got != c.ok {
			t.Errorf("%q, allowed %q, loopback %t: %t", c.host, c.allowed, c.loopback, got)
		}
	}
	for name, ok := range map[string]bool{
		"a.example": true, "*": true, "::1": true, "10.0.0.1": true,
		"": false, "a.example:80": false, "http://a.example": false, "*.example": false, "a/b": false, "a b": false, "u@a": false, "a:": false,
	} {
		if _, err := newAllowedHosts([]string{name}); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A server on a loopback address answers no request for another host, whatever the
// form of its target. Pages of other origins cannot send requests.
func TestForeignRequests(t *testing.T) {
	const app = "https://app.example.com"
	body := "Content-Length: 28\r\n\r\n" + framingBody
	for _, c := range []struct {
		name    string
		origins []string
		send    string
		want    string
	}{
		{"own", nil, "GET /tasks HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"},
		{"HTTP/1.0 without Host", nil, "GET /healthz HTTP/1.0\r\n\r\n", "200"},
		{"other host", nil, "GET /tasks HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"},
		{"other host, probe", nil, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"},
		{"other host, page", nil, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"},
		{"other host, no route", nil, "GET /none HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"},
		{"absolute target", nil, "GET http://evil.example/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n", "403"},
		{"own absolute target", nil, "GET http://localhost/tasks HTTP/1.1\r\nHost: evil.example\r\n\r\n", "200"},
		{"two hosts", nil, "GET /tasks HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "400"},
		{"CORS does not allow a host", []string{"*"}, "GET /tasks HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n", "403"},
		{"no origin", nil, framingRequest + body, "200"},
		{"own origin", nil, framingRequest + "Origin: http://localhost\r\n" + body, "200"},
		{"other origin", nil, framingRequest + "Origin: http://evil.example\r\n" + body, "403"},
		{"no site's origin", nil, framingRequest + "Origin: null\r\n" + body, "403"},
		{"said to be another site's", nil, framingRequest + "Sec-Fetch-Site: cross-site\r\n" + body, "403"},
		{"said to be its own, behind a proxy", nil, framingRequest + "Origin: https://kenserve.example\r\nSec-Fetch-Site: same-origin\r\n" + body, "200"},
		{"allowed origin", []string{app}, framingRequest + "Origin: " + app + "\r\nSec-Fetch-Site: cross-site\r\n" + body, "200"},
		{"another than the allowed origin", []string{app}, framingRequest + "Origin: " + app + ".evil.example\r\n" + body, "403"},
		{"any origin", []string{"*"}, framingRequest + "Origin: http://evil.example\r\n" + body, "200"},
		{"change of another origin", nil, "DELETE /tasks/sst2 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin\r\nOrigin: http://evil.example\r\n\r\n", "403"},
		{"load of another origin", nil, "POST /tasks/sst2/load HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n", "403"},
		{"change", nil, "DELETE /tasks/sst2 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin\r\n\r\n", "204"},
	} {
		s := newServer(t, servertest.NewEngine(), Options{AdminKeys: []string{"admin"}, CORSOrigins: c.origins})
		r := start(t, s)
		if got := exchange(t, r.ln.Addr().String(), c.send, 1<<20); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestAdminListenerHosts(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.ServeAdmin(ctx, ln) }()
	for send, want := range map[string]string{
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                                           "200",
		"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                                                        "403",
		"GET http://evil.example/metrics HTTP/1.1\r\nHost: a\r\n\r\n":                                                                "403",
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + framingNext: "400",
	} {
		if got := exchange(t, ln.Addr().String(), send, 1<<20); got != want {
			t.Errorf("%q: %s, want %s", send, got, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestGRPCHosts(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{AllowedHosts: []string{"kenserve.example"}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.ServeGRPC(ctx, ln) }()
	for authority, want := range map[string]codes.Code{"": codes.OK, "localhost:1": codes.OK, "kenserve.example": codes.OK, "evil.example": codes.PermissionDenied} {
		conn, err := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(authority))
		if err != nil {
			t.Fatal(err)
		}
		client := pb.NewGRPCInferenceServiceClient(conn)
		_, err = client.ServerMetadata(t.Context(), &pb.ServerMetadataRequest{})
		if status.Code(err) != want {
			t.Errorf("%q: %v", authority, err)
		}
		if _, err = client.ServerLive(t.Context(), &pb.ServerLiveRequest{}); status.Code(err) != want {
			t.Errorf("%q, probe: %v", authority, err)
		}
		conn.Close()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Another server that uses the handler has listeners of its own.
func TestHandlerHasNoHosts(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	if w := do(s, http.MethodGet, "/tasks", "", "Host", "evil.example"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "trec") {
		t.Errorf("status %d", w.Code)
	}
}
