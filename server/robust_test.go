package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

// TestRawRequests sends lines that fuzzers of HTTP servers send: every method with
// targets that are long, empty, binary, or formed to be understood in two ways. The
// server answers or closes, no handler fails, and it serves on.
func TestRawRequests(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{ReadHeaderTimeout: time.Second, ReadTimeout: time.Second})
	r := start(t, s)
	address := r.ln.Addr().String()
	targets := []string{
		"/v2", "/v2/models/sst2", "/v2/models/sst2/infer", "/v2/models/sst2/versions/1", "/v2/repository/index",
		"/v2/repository/models/sst2/load", "/v2/systemsharedmemory/status", "/classify", "/tasks/sst2", "/tei/sst2/predict",
		"", "*", "//", "/..", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/tasks/..%2fsst2", "/tasks/%00", "/tasks/%zz", "/\x00", "/\x7f\xff",
		"/" + strings.Repeat("A", 5000), "/" + strings.Repeat("A", 100_000), "/?" + strings.Repeat("a=b&", 1000), "/%n%n%n%n", "/%s%x%d", "/;id", "/|id", "/`id`",
		"http://localhost/tasks", "http://[::1]:99999999/", "http:///tasks", "localhost:80", "/tasks#a", "/ta sks", "/tasks HTTP/1.1\r\nX:", "\\tasks", "/\u202e",
	}
	versions := []string{"HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "HTTP/1.", "http/1.1", "", "HTTP/1.1 x", strings.Repeat("H", 3000)}
	rng := rand.New(rand.NewPCG(1, 2))
	var running sync.WaitGroup
	clients := make(chan struct{}, 16)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PRI", "", "G\x00T", strings.Repeat("M", 5000)} {
		for _, target := range targets {
			version := versions[0]
			if rng.IntN(3) == 0 {
				version = versions[rng.IntN(len(versions))]
			}
			send := method + " " + target + " " + version + "\r\nHost: localhost\r\n\r\n"
			clients <- struct{}{}
			running.Go(func() {
				defer func() { <-clients }()
				sendRaw(t, address, send)
			})
		}
	}
	running.Wait()
	if status, _, err := get(r.client, r.url+"/healthz"); err != nil || status != http.StatusOK {
		t.Errorf("afterwards: %d, %v", status, err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// sendRaw sends bytes and checks that the server answers or closes.
func sendRaw(t *testing.T, address, send string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = io.WriteString(conn, send)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	answer, err := io.ReadAll(conn)
	if isTimeout(err) {
		t.Errorf("%.80q: the server neither answers nor closes", send)
	}
	if strings.HasPrefix(string(answer), "HTTP/1.1 500") || strings.Contains(string(answer), "goroutine ") {
		t.Errorf("%.80q: %.200s", send, answer)
	}
}

// TestMemoryGrowth: requests of all kinds leave nothing in memory.
func TestMemoryGrowth(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{MetricTasks: 4, APIKeys: []string{"key"}})
	round := func(n int) {
		for i := range n {
			name := fmt.Sprint("made-up-", i)
			post(s, `{"model":["trec","sst2"],"input":["a b c",{"text":"d","text_pair":"e"}]}`, "X-Api-Key", "key")
			post(s, `{"model":"`+name+`","input":"`+strings.Repeat("word ", i%50)+`"}`, "X-Api-Key", "key")
			post(s, `{"model":"sst2","input":`, "X-Api-Key", "key", "X-Request-Id", name)
			post(s, `{"model":"panics","input":"a"}`, "X-Api-Key", "key")
			do(s, http.MethodGet, "/"+name, "", "X-Api-Key", name)
			do(s, http.MethodPost, "/tei/"+name+"/predict", `{"inputs":"a"}`, "X-Api-Key", "key", "Origin", "https://"+name+".example")
			do(s, http.MethodGet, "/metrics", "", "X-Api-Key", "key")
		}
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	round(300)
	before := heap()
	round(800)
	if growth := heap() - before; growth > 1<<20 {
		t.Errorf("the heap has grown by %d bytes", growth)
	}
}
