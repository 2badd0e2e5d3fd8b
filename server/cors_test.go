package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"kenserve/server/internal/servertest"
)

func TestCORS(t *testing.T) {
	const app = "https://app.example.com"
	for _, c := range []struct {
		name    string
		origins []string
		method  string
		origin  string
		asks    string // Access-Control-Request-Method
		status  int
		allows  string
	}{
		{"off", nil, "OPTIONS", app, "POST", 401, ""},
		{"preflight", []string{app}, "OPTIONS", app, "POST", 204, app},
		{"preflight of another origin", []string{app}, "OPTIONS", "https://evil.example.com", "POST", 401, ""},
		{"preflight of a longer origin", []string{app}, "OPTIONS", app + ".evil.com", "POST", 401, ""},
		{"any origin", []string{"*"}, "OPTIONS", app, "POST", 204, "*"},
		{"request without a key", []string{app}, "POST", app, "", 401, app},
		{"request without an origin", []string{app}, "POST", "", "", 401, ""},
	} {
		s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"secret"}, CORSOrigins: c.origins})
		r := httptest.NewRequest(c.method, "/classify", strings.NewReader("{}"))
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.asks != "" {
			r.Header.Set("Access-Control-Request-Method", c.asks)
		}
		w := httptest.NewRecorder()
		s.router.ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != c.status || got != c.allows {
			t.Errorf("%s: status %d, allows %q; want %d, %q", c.name, w.Code, got, c.status, c.allows)
		}
		if w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", c.name)
		}
		if preflight := c.allows != "" && c.asks != ""; preflight != (w.Header().Get("Access-Control-Allow-Methods") != "") {
			t.Errorf("%s: methods %q", c.name, w.Header().Get("Access-Control-Allow-Methods"))
		}
	}
}

func TestCORSOriginsAreChecked(t *testing.T) {
	for origin, ok := range map[string]bool{
		"*": true, "https://app.example.com": true, "http://localhost:3000": true,
		"app.example.com": false, "https://app.example.com/": false, "https://*.example.com": false, "https://*.example.com/x": false, "": false, "null": false,
	} {
		if err := checkOrigins([]string{origin}); (err == nil) != ok {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
