package server

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"kenserve/server/internal/servertest"
)

// Keys, hosts and origins change at once and without an effect on running requests; a
// reload that fails changes nothing.
func TestReload(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"old"}})
	status := func(key string) int {
		return do(s, http.MethodGet, "/tasks", "", "Authorization", "Bearer "+key).Code
	}
	check := func(when string, old, next int) {
		t.Helper()
		if got, want := fmt.Sprint(status("old"), status("new")), fmt.Sprint(old, next); got != want {
			t.Errorf("%s: old and new key: %s, want %s", when, got, want)
		}
	}
	check("at first", 200, 401)
	for name, load := range map[string]func() (Options, error){
		"unreadable":   func() (Options, error) { return Options{}, errors.New("no such file") },
		"empty key":    func() (Options, error) { return Options{APIKeys: []string{"new", " "}}, nil },
		"wrong origin": func() (Options, error) { return Options{APIKeys: []string{"new"}, CORSOrigins: []string{"x"}}, nil },
		"wrong host":   func() (Options, error) { return Options{APIKeys: []string{"new"}, AllowedHosts: []string{"a:1"}}, nil },
		"TLS on":       func() (Options, error) { return Options{APIKeys: []string{"new"}, TLS: &tls.Config{}}, nil },
	} {
		if err := s.Reload(load); err == nil {
			t.Errorf("%s: no error", name)
		}
		check(name, 200, 401)
	}
	if err := s.Reload(func() (Options, error) { return Options{APIKeys: []string{"new"}}, nil }); err != nil {
		t.Fatal(err)
	}
	check("afterwards", 401, 200)
	metrics := do(s, http.MethodGet, "/metrics", "", "Authorization", "Bearer new").Body.String()
	for _, line := range []string{`kenserve_reloads_total{result="done"} 1`, `kenserve_reloads_total{result="failed"} 5`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s in the metrics", line)
		}
	}
}

// No request fails while keys are replaced all the time.
func TestReloadUnderLoad(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"one", "both"}})
	r := start(t, s)
	var stop atomic.Bool
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for !stop.Load() {
				q, err := http.NewRequest(http.MethodPost, r.url+"/classify", strings.NewReader(`{"model":"sst2","input":"a"}`))
				if err != nil {
					t.Error(err)
					return
				}
				q.Header.Set("X-Api-Key", "both")
				if status, body, err := read(r.client.Do(q)); err != nil || status != 200 {
					t.Errorf("%d %s %v", status, body, err)
					return
				}
			}
		})
	}
	for i := range 200 {
		if err := s.Reload(func() (Options, error) { return Options{APIKeys: []string{fmt.Sprint("key", i), "both"}}, nil }); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	clients.Wait()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// The certificate of another file is used after a reload.
func TestReloadCertificate(t *testing.T) {
	first, second := newPair(t, "first"), newPair(t, "second")
	load := func(p *pair) *tls.Config {
		c, err := LoadTLS(p.cert, p.key, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s := newServer(t, servertest.NewEngine(), Options{TLS: load(first)})
	r := start(t, s)
	name := func() string {
		c, err := tls.Dial("tcp", r.ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if p := c.ConnectionState().NegotiatedProtocol; p != "h2" {
			t.Errorf("protocol %q", p)
		}
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("certificate %s", got)
	}
	if err := s.Reload(func() (Options, error) { return Options{TLS: load(second)}, nil }); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "second" {
		t.Errorf("after the reload: certificate %s", got)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

func TestKeysAreChecked(t *testing.T) {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("secret")))
	for key, ok := range map[string]bool{
		"secret": true, "with blank": true, "schlüssel": true, digest: true, strings.ToUpper(digest[7:]): true,
		"": false, " ": false, "\t\n": false, "\u00a0": false, "\u200b": false, "\ufeff": false, " a": false, "a\n": false, "a\x00b": false,
		"sha256:": false, "sha256:12": false, digest + "0": false, "sha256:" + strings.Repeat("g", 64): false,
	} {
		for _, o := range []Options{{APIKeys: []string{key}}, {AdminKeys: []string{"x", key}}} {
			err := o.Check()
			if (err == nil) != ok {
				t.Errorf("%q: %v", key, err)
			}
			if err != nil && len(key) > 8 && strings.Contains(err.Error(), key) {
				t.Errorf("%q is in %v", key, err)
			}
		}
	}
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{digest}})
	for key, want := range map[string]int{"secret": 200, digest: 401, "": 401} {
		if w := do(s, http.MethodGet, "/tasks", "", "X-Api-Key", key); w.Code != want {
			t.Errorf("key %q: status %d", key, w.Code)
		}
	}
	if s.options.APIKeys != nil {
		t.Error("the server keeps keys")
	}
}
