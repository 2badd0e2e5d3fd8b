package hub

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A seen server remembers the tokens that it gets.
type seen struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
}

func (s *seen) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.tokens, " ")
}

// newSeen starts a server that redirects to the address that to returns, or answers
// 404.
func newSeen(t *testing.T, tls bool, to func(path string) string) *seen {
	s := &seen{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.tokens = append(s.tokens, r.Header.Get("Authorization"))
		s.mu.Unlock()
		if to == nil {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, to(r.URL.Path), http.StatusFound)
	}))
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// The token goes to the endpoint only, and never from https to http.
func TestRedirects(t *testing.T) {
	const token = "Bearer secret"
	clear := newSeen(t, false, nil)
	other := newSeen(t, true, nil)
	back := "" // address of the endpoint
	over := newSeen(t, true, func(string) string { return clear.URL })
	for _, c := range []struct {
		name    string
		to      func(path string) string
		leaves  *seen // where the redirection leads
		want    string
		refused bool
	}{
		{"to http", func(path string) string { return clear.URL + path }, clear, "", true},
		{"to another host", func(path string) string { return other.URL + path }, other, "", false},
		{"to http over another host", func(path string) string { return over.URL + path }, clear, "", true},
		{"to the same host", func(path string) string {
			if strings.HasPrefix(path, "/moved") {
				return other.URL + "/gone"
			}
			return back + "/moved" + path
		}, other, " ", false},
	} {
		endpoint := newSeen(t, true, c.to)
		back = endpoint.URL
		c.leaves.mu.Lock()
		c.leaves.tokens = nil
		c.leaves.mu.Unlock()
		client := &Client{endpoint: endpoint.URL, cache: t.TempDir(), token: "secret", silence: 5 * time.Second, http: endpoint.Client()}
		_, err := pull(t, client, "org/model")
		client.http.CloseIdleConnections()
		if err == nil || errors.Is(err, errDowngrade) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := c.leaves.got(); strings.Contains(got, token) {
			t.Errorf("%s: the token left: %q", c.name, got)
		}
		if got := endpoint.got(); !strings.Contains(got, token) {
			t.Errorf("%s: the endpoint got %q", c.name, got)
		}
	}
}

// A hub that accepts connections and says nothing is given up, before the header and
// in the middle of a body.
func TestSilence(t *testing.T) {
	for name, send := range map[string]string{
		"no header": "",
		"no body":   "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var open []net.Conn
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				open = append(open, conn)
				_, _ = conn.Write([]byte(send))
			}
		}()
		transport := &http.Transport{}
		client := &Client{endpoint: "http://" + ln.Addr().String(), cache: t.TempDir(), silence: 20 * time.Millisecond, http: &http.Client{Transport: transport}}
		start := time.Now()
		_, err = pull(t, client, "org/model")
		if !errors.Is(err, errSilent) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: given up after %s", name, took)
		}
		transport.CloseIdleConnections()
		ln.Close()
		<-stopped
		for _, conn := range open {
			conn.Close()
		}
	}
}

// An error shows no signature of an address.
func TestErrorsHideSignatures(t *testing.T) {
	store := newSeen(t, false, nil)
	store.Close()
	hub := newSeen(t, false, func(path string) string { return store.URL + path + "?X-Amz-Signature=hidden" })
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &Client{endpoint: hub.URL, cache: t.TempDir(), silence: 5 * time.Second, http: &http.Client{Transport: transport}}
	if _, err := pull(t, client, "org/model"); err == nil || strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}
