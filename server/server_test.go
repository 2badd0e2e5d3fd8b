package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// newServer returns a server with a fixed clock.
func newServer(t testing.TB, e Engine, o Options) *Server {
	t.Helper()
	s, err := New(e, o)
	if err != nil {
		t.Fatal(err)
	}
	s.core.Now = func() time.Time { return time.Unix(1764000000, 0) }
	return s
}

// do sends a request to the handler of a server. header has names and values in turn.
func do(s *Server, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func post(s *Server, body string, header ...string) *httptest.ResponseRecorder {
	return do(s, http.MethodPost, "/classify", body, header...)
}

// logger writes all lines to a buffer.
func logger(w *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
