package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/servertest"
)

func TestRequestID(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	made := regexp.MustCompile(`^[0-9a-f]{32}$`)
	seen := map[string]bool{}
	for _, c := range []struct {
		sent []string
		kept bool
	}{
		{nil, false},
		{nil, false},
		{[]string{"abc"}, true},
		{[]string{"6f1e2a4c-0b6d-4a7e-9a53-7d1f6f9f2f10"}, true},
		{[]string{"Root=1-67891233-abcdef012345678912345678"}, true},
		{[]string{strings.Repeat("x", 128)}, true},
		{[]string{strings.Repeat("x", 129)}, false},
		{[]string{""}, false},
		{[]string{"a b"}, false},
		{[]string{"a\nb"}, false},
		{[]string{`a"b`}, false},
		{[]string{"é"}, false},
		{[]string{"a", "b"}, false},
	} {
		var header []string
		for _, v := range c.sent {
			header = append(header, "X-Request-Id", v)
		}
		w := post(s, `{"model":"sst2","input":"a"}`, header...)
		got := w.Header().Get("X-Request-Id")
		switch {
		case c.kept && got != c.sent[0]:
			t.Errorf("sent %q, got %q", c.sent, got)
		case !c.kept && (!made.MatchString(got) || seen[got]):
			t.Errorf("sent %q, got %q", c.sent, got)
		}
		seen[got] = true
		if !strings.Contains(w.Body.String(), `"id":"`+got+`"`) {
			t.Errorf("id %s is not in %s", got, w.Body)
		}
	}
	for _, path := range []string{"/nothing", "/metrics", "/healthz"} {
		if id := do(s, http.MethodGet, path, "", "X-Request-Id", "mine").Header().Get("X-Request-Id"); id != "mine" {
			t.Errorf("%s: id %q", path, id)
		}
	}
}

// Each request has a line, never with a text.
func TestLog(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		want               []string
	}{
		{"POST", "/classify", `{"model":"sst2","input":["SECRET words","b"]}`,
			[]string{"level=INFO msg=request id=mine method=POST path=/classify status=200 ", "task=sst2 texts=2 tokens=7 queue=250µs inference=1.5ms\n"}},
		{"POST", "/classify", `{"model":"sst2","input":["a",{"text":"SECRET","text_pair":5}]}`,
			[]string{"level=INFO", "status=422", "error=validation field=input[1].text_pair\n"}},
		{"POST", "/classify", `{"model":"sst2","input":"SECRET`, []string{"level=INFO", "status=400", "error=malformed\n"}},
		{"POST", "/classify", `{"model":"unknown","input":"SECRET"}`,
			[]string{"level=ERROR", "status=500", "error=internal", `cause="runtime: read /var/lib/store/unknown.ken: input/output error"`}},
		{"POST", "/classify", `{"model":"few","input":["SECRET","b"]}`, []string{"level=ERROR", "status=500", `cause="task few: 1 results for 2 inputs"`}},
		{"POST", "/classify", `{"model":"closed","input":"SECRET"}`, []string{"level=WARN", "status=503"}},
		{"POST", "/classify", `{"model":"damaged","input":"SECRET"}`, []string{"level=WARN", "status=424", "task=damaged"}},
		{"POST", "/classify", `{"model":"panics","input":"SECRET"}`,
			[]string{`level=ERROR msg="handler panicked" id=mine panic="a fault of /usr/lib/engine"`, "servertest/engine.go", "level=ERROR msg=request", "status=500"}},
		{"GET", "/tasks", "", []string{"level=DEBUG", "path=/tasks"}},
		{"GET", "/tasks/sst2", "", []string{"level=INFO", "path=/tasks/sst2"}},
		{"GET", "/healthz?SECRET", "", []string{"level=DEBUG", "path=/healthz"}},
		{"GET", "/stats", "", []string{"level=DEBUG", "path=/stats"}},
		{"GET", "/metrics", "", []string{"level=DEBUG", "path=/metrics"}},
		{"GET", "/" + strings.Repeat("x", 1000), "", []string{"status=404", "path=/xxx", "…"}},
		{"GET", "/a%0Ab", "", []string{`path="/a\nb"`}},
	} {
		var log strings.Builder
		s := newServer(t, servertest.NewEngine(), Options{Logger: logger(&log)})
		do(s, c.method, c.path, c.body, "X-Request-Id", "mine")
		for _, want := range c.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s %s: no %q in\n%s", c.method, c.path, want, &log)
			}
		}
		if strings.Contains(log.String(), "SECRET") || log.Len() > 8000 {
			t.Errorf("%s %s: log of %d bytes:\n%s", c.method, c.path, log.Len(), &log)
		}
	}
}

// No answer names a file.
func TestErrorsNameNoFiles(t *testing.T) {
	e := servertest.NewEngine()
	e.Unready = errors.New("open /var/lib/store: permission denied")
	s := newServer(t, e, Options{})
	for name := range e.Labels {
		w := post(s, `{"model":"`+name+`","input":["a","b"]}`)
		if strings.Contains(w.Body.String(), "/") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
	w := do(s, http.MethodGet, "/readyz", "")
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "/") || w.Header().Get("Retry-After") == "" {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
	// A store that cannot be read is not an empty store.
	for path, method := range map[string]string{"/tasks": http.MethodGet, "/v2/repository/index": http.MethodPost} {
		w := do(s, method, path, "")
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "/var") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// A panic after the first byte of an answer must not look like a complete answer.
func TestPanicAbortsAnswer(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	for path, reason := range map[string]any{"/half": errors.New("fault"), "/abort": http.ErrAbortHandler} {
		s.router.GET(path, s.handle(func(c *gin.Context, _ *core.RequestState) error {
			if path == "/half" {
				c.Writer.WriteHeaderNow()
				c.Writer.Flush()
			}
			panic(reason)
		}))
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	for _, path := range []string{"/half", "/abort"} {
		_, _, err := get(srv.Client(), srv.URL+path)
		if err == nil {
			t.Errorf("%s: a complete answer", path)
		}
	}
	if status, _, err := get(srv.Client(), srv.URL+"/healthz"); err != nil || status != http.StatusOK {
		t.Errorf("afterwards: %d, %v", status, err)
	}
}

// The work of a client that leaves is cancelled.
func TestClientLeaves(t *testing.T) {
	var log strings.Builder
	e := servertest.NewEngine()
	entered := make(chan struct{})
	e.Before = func(ctx context.Context, _ string) error {
		close(entered)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	s := newServer(t, e, Options{Logger: logger(&log)})
	srv := httptest.NewServer(s.Handler())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/classify", strings.NewReader(`{"model":"sst2","input":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Client().Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v", err)
	}
	srv.Close() // waits for the handler
	if !strings.Contains(log.String(), "status=499") || !strings.Contains(log.String(), "error=client_closed") {
		t.Errorf("log:\n%s", &log)
	}
	if !strings.Contains(scrape(t, s), `kenserve_errors_total{task="sst2",type="client_closed"} 1`) {
		t.Error("the error is not counted")
	}
}

func TestRequestTimeout(t *testing.T) {
	e := servertest.NewEngine()
	e.Before = func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	s := newServer(t, e, Options{RequestTimeout: time.Millisecond})
	w := post(s, `{"model":"sst2","input":"a"}`)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no answer in time") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
