package server

import (
	"net/http"
	"testing"

	"kenserve/server/internal/servertest"
)

func TestCORS(t *testing.T) {
	const app, other = "https://app.example", "https://other.example"
	for _, c := range []struct {
		name    string
		origins []string
		method  string
		header  []string
		status  int
		allow   string // Access-Control-Allow-Origin
	}{
		{"off", nil, "POST", []string{"Origin", app}, 401, ""},
		{"off, preflight", nil, "OPTIONS", []string{"Origin", app, "Access-Control-Request-Method", "POST"}, 401, ""},
		{"allowed", []string{app}, "POST", []string{"Origin", app, "X-Api-Key", "use"}, 200, app},
		{"error", []string{app}, "POST", []string{"Origin", app}, 401, app},
		{"preflight without a key", []string{app}, "OPTIONS", []string{"Origin", app, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}, 204, app},
		{"second of two", []string{other, app}, "OPTIONS", []string{"Origin", app, "Access-Control-Request-Method", "POST"}, 204, app},
		{"another origin", []string{app}, "POST", []string{"Origin", other, "X-Api-Key", "use"}, 200, ""},
		{"another origin, preflight", []string{app}, "OPTIONS", []string{"Origin", other, "Access-Control-Request-Method", "POST"}, 401, ""},
		{"any origin", []string{"*"}, "POST", []string{"Origin", other, "X-Api-Key", "use"}, 200, "*"},
		{"no page", []string{app}, "POST", []string{"X-Api-Key", "use"}, 200, ""},
	} {
		s := newServer(t, servertest.NewEngine(), Options{CORSOrigins: c.origins, APIKeys: []string{"use"}})
		w := do(s, c.method, "/classify", `{"model":"trec","input":"a"}`, c.header...)
		h := w.Header()
		if w.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s: status %d, origin %q, want %d, %q", c.name, w.Code, h.Get("Access-Control-Allow-Origin"), c.status, c.allow)
		}
		if (h.Get("Vary") == "Origin") != (c.origins != nil) {
			t.Errorf("%s: Vary %q", c.name, h.Get("Vary"))
		}
		if preflight := c.status == http.StatusNoContent; preflight != (h.Get("Access-Control-Allow-Headers") != "") {
			t.Errorf("%s: headers %q", c.name, h.Get("Access-Control-Allow-Headers"))
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", c.name)
		}
	}
	for _, origin := range []string{"app.example", "https://app.example/", "https://app.example/path", "https://*.example", ""} {
		if _, err := New(servertest.NewEngine(), Options{CORSOrigins: []string{origin}}); err == nil {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
