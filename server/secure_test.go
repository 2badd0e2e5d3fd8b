package server

import (
	"net/http"
	"testing"

	"kenserve/server/internal/servertest"
)

// securityHeaders are the security headers of every answer but pages.
var securityHeaders = map[string]string{
	"X-Content-Type-Options":  "nosniff",
	"Cache-Control":           "no-store",
	"Referrer-Policy":         "no-referrer",
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

func TestSecurityHeaders(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"k"}})
	for _, c := range []struct {
		method, path, body, key string
		status                  int
	}{
		{http.MethodPost, "/classify", `{"model":"sst2","input":"a"}`, "k", 200},
		{http.MethodPost, "/classify", `{"model":"sst2","input":"a"}`, "", 401},
		{http.MethodPost, "/classify", `{"model":"panics","input":"a"}`, "k", 500},
		{http.MethodPost, "/v2/models/sst2/infer", `{`, "k", 400},
		{http.MethodGet, "/nothing", "", "k", 404},
		{http.MethodGet, "/healthz", "", "", 200},
		{http.MethodGet, "/metrics", "", "k", 200},
		{http.MethodOptions, "/classify", "", "k", 204},
	} {
		w := do(s, c.method, c.path, c.body, "X-Api-Key", c.key)
		if w.Code != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, w.Code, c.status)
		}
		for name, want := range securityHeaders {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %s: %s is %q", c.method, c.path, name, got)
			}
		}
	}
}
