package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

// The bodies of all requests count against one budget. Requests beyond it are refused,
// and a request that ends returns its bytes.
func TestBodyMemory(t *testing.T) {
	e := servertest.NewEngine()
	entered, leave := make(chan struct{}), make(chan struct{})
	e.Before = func(_ context.Context, task string) error {
		if task == "trec" {
			entered <- struct{}{}
			<-leave
		}
		return nil
	}
	s := newServer(t, e, Options{MaxBodyBytes: 1000, MaxBodyMemory: 1000})
	body := func(task string) string {
		return `{"model":"` + task + `","input":"` + strings.Repeat("x ", 300) + `"}`
	}
	done := make(chan int)
	go func() { done <- post(s, body("trec")).Code }()
	<-entered
	for path, want := range map[string]string{
		"/classify":             `"type":"overloaded"`,
		"/vllm/classify":        `"type":"RateLimitError"`,
		"/tei/sst2/predict":     `"error_type":"Overloaded"`,
		"/models/sst2":          `{"error":"too many bytes of requests`,
		"/v2/models/sst2/infer": `{"error":"too many bytes of requests`,
	} {
		w := do(s, http.MethodPost, path, body("sst2"))
		if w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), want) || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
	if w := post(s, `{"model":"sst2","input":"a"}`); w.Code != http.StatusOK {
		t.Errorf("a small one: status %d: %s", w.Code, w.Body)
	}
	close(leave)
	if code := <-done; code != http.StatusOK {
		t.Errorf("the first one: status %d", code)
	}
	if w := post(s, body("sst2")); w.Code != http.StatusOK {
		t.Errorf("afterwards: status %d: %s", w.Code, w.Body)
	}
	if used := usedBytes(s); used != 0 {
		t.Errorf("%d bytes still count", used)
	}
}

// usedBytes returns what the server's requests hold. A request may give its bytes back
// a moment after its client has the answer.
func usedBytes(s *Server) int64 {
	for range 100 {
		if s.memory.Used() == 0 {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	return s.memory.Used()
}
