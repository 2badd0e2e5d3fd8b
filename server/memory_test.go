package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"kenserve/internal/memory"
	pb "kenserve/server/inferencepb"
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

// An answer is charged before it is written. One that never fits is 413, and one that
// does not fit beside others 429.
func TestAnswerMemory(t *testing.T) {
	e := servertest.NewEngine()
	manyLabels(e, 1000, 1000)
	entered, leave := make(chan struct{}), make(chan struct{})
	e.Before = func(_ context.Context, task string) error {
		if task == "trec" {
			entered <- struct{}{}
			<-leave
		}
		return nil
	}
	s := newServer(t, e, Options{Memory: memory.New(8 << 20)})
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"model":"many","input":"a"}`, http.StatusOK},                                               // 2 MB
		{`{"model":"many","input":["a","a","a","a","a"]}`, http.StatusRequestEntityTooLarge},          // 10 MB
		{`{"model":"many","input":["a","a","a","a","a"],"top_k":3}`, http.StatusOK},                   // little
		{`{"model":["many","sst2"],"input":["a","a","a","a","a"]}`, http.StatusRequestEntityTooLarge}, // likewise
		{`{"model":["many","sst2"],"input":["a","a","a","a","a"],"top_k":10}`, http.StatusOK},         // likewise
		{`{"model":"sst2","input":["` + strings.Repeat(`a","`, 500) + `a"]}`, http.StatusOK},          // of 501 texts
	} {
		if w := post(s, c.body); w.Code != c.want {
			t.Errorf("%.80s: status %d, want %d: %.200s", c.body, w.Code, c.want, w.Body)
		}
	}
	if used := usedBytes(s); used != 0 {
		t.Errorf("%d bytes still count", used)
	}
	// A request that waits holds most of the account.
	done := make(chan int)
	go func() {
		done <- post(s, `{"model":"trec","input":"`+strings.Repeat("x ", 40<<10)+`"}`+strings.Repeat(" ", 1900<<10)).Code
	}()
	<-entered
	if w := post(s, `{"model":"many","input":"a"}`); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("beside another request: status %d: %.200s", w.Code, w.Body)
	}
	if w := post(s, `{"model":"sst2","input":"a"}`); w.Code != http.StatusOK {
		t.Errorf("a small one: status %d: %.200s", w.Code, w.Body)
	}
	close(leave)
	if code := <-done; code != http.StatusOK {
		t.Errorf("the first one: status %d", code)
	}
}

// Probes are answered while requests hold all memory.
func TestProbesWhileMemoryIsFull(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	for bytes := int64(1 << 40); bytes > 0; bytes /= 2 {
		for s.memory.Take(memory.Requests, bytes) == nil {
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/tei/sst2/health"} {
		if w := do(s, http.MethodGet, path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
	if w := do(s, http.MethodPost, "/classify", `{"model":"sst2","input":"a"}`); w.Code != http.StatusTooManyRequests {
		t.Errorf("another request: status %d", w.Code)
	}
	s.memory.Give(memory.Requests, 2*secureConnectionBytes)
	d := dial(t, s)
	if _, err := d.infer.ServerReady(t.Context(), &pb.ServerReadyRequest{}); err != nil {
		t.Errorf("over gRPC: %v", err)
	}
	for s.memory.Take(memory.Requests, 1) == nil {
	}
	if _, err := d.infer.ServerReady(t.Context(), &pb.ServerReadyRequest{}); err != nil {
		t.Errorf("over gRPC, without memory for requests: %v", err)
	}
	if _, err := grpc_health_v1.NewHealthClient(d).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("health over gRPC: %v", err)
	}
	if _, err := d.infer.ServerMetadata(t.Context(), &pb.ServerMetadataRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("another call: %v", err)
	}
}
