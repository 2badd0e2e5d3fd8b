package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

// running is a server on a loopback port.
type running struct {
	url    string
	ln     net.Listener
	cancel context.CancelFunc
	done   chan error
	client *http.Client
}

func start(t *testing.T, s *Server) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{
		url: "http://" + ln.Addr().String(), ln: ln,
		cancel: cancel, done: make(chan error, 1),
		client: &http.Client{Transport: &http.Transport{}},
	}
	go func() { r.done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		r.client.CloseIdleConnections()
	})
	return r
}

// stop ends the server and returns the error of Serve.
func (r *running) stop() error {
	r.cancel()
	r.client.CloseIdleConnections()
	return <-r.done
}

func get(c *http.Client, url string) (int, string, error) {
	return read(c.Get(url))
}

func (r *running) classify(body string) (int, string, error) {
	return read(r.client.Post(r.url+"/classify", "application/json", strings.NewReader(body)))
}

func read(resp *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestServe(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	r := start(t, s)
	status, body, err := r.classify(`{"model":"sst2","input":"a"}`)
	if err != nil || status != 200 || !strings.Contains(body, `"data":[[{"label":"positive","score":0.28125}`) {
		t.Errorf("%d %s %v", status, body, err)
	}
	for _, path := range []string{"/tasks", "/tasks/trec", "/healthz", "/readyz", "/metrics"} {
		resp, err := r.client.Head(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != 0 || err != nil || resp.StatusCode != 200 {
			t.Errorf("HEAD %s: status %d, %d bytes, %v", path, resp.StatusCode, n, err)
		}
		resp.Body.Close()
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if _, _, err := r.classify(`{"model":"sst2","input":"a"}`); err == nil {
		t.Error("an answer after the end")
	}
	if err := s.Serve(t.Context(), nil); err == nil {
		t.Error("Serve runs twice")
	}
}

// Concurrent clients get the same answers as a single one.
func TestConcurrentRequests(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{MetricTasks: 2})
	var bodies, want []string
	for i := range 40 {
		task := []string{`"trec"`, `"sst2"`, `"odd"`, `["sst2","trec"]`, `"damaged"`, `"panics"`, `"nothing"`}[i%7]
		body := fmt.Sprintf(`{"model":%s,"input":[%q,{"text":%q,"text_pair":"caf\u00e9"}],"top_k":%d}`,
			task, strings.Repeat("a word ", i%5), strings.Repeat("b ", i), 1+i%3)
		bodies = append(bodies, body)
		want = append(want, post(s, body, "X-Request-Id", "same").Body.String())
	}
	r := start(t, s)
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for n := range 40 {
				i := (n*7 + c) % len(bodies)
				q, err := http.NewRequest(http.MethodPost, r.url+"/classify", strings.NewReader(bodies[i]))
				if err != nil {
					t.Error(err)
					return
				}
				q.Header.Set("X-Request-Id", "same")
				if _, got, err := read(r.client.Do(q)); err != nil || got != want[i] {
					t.Errorf("%s: %v\ngot  %s\nwant %s", bodies[i], err, got, want[i])
					return
				}
			}
		})
	}
	wg.Wait()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := scrape(t, s); !strings.Contains(got, "kenserve_http_requests_in_flight 1\n") {
		t.Error("requests are in flight besides the scrape")
	}
}

// In a shutdown under load every request that reached the engine gets its whole
// answer.
func TestDrainUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name      string
		keepAlive bool
		grace     time.Duration
	}{
		{"one connection for each request", false, 0},
		{"kept connections", true, 0},
		{"grace", false, 100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := servertest.NewEngine()
			e.Before = func(context.Context, string) error {
				time.Sleep(3 * time.Millisecond)
				return nil
			}
			s := newServer(t, e, Options{Grace: c.grace})
			r := start(t, s)
			r.client.Transport.(*http.Transport).DisableKeepAlives = !c.keepAlive
			var answered, late atomic.Int64
			var cancelled atomic.Bool
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for {
						after := cancelled.Load()
						status, body, err := r.classify(`{"model":"sst2","input":"a"}`)
						switch {
						case err == nil && status == 200 && strings.HasSuffix(body, "}\n"):
							answered.Add(1)
							if after {
								late.Add(1)
							}
						case err == nil:
							t.Errorf("answer %d %s", status, body)
						case cancelled.Load():
							return // the listener is closed
						default:
							t.Errorf("before the shutdown: %v", err)
							return
						}
					}
				})
			}
			time.Sleep(60 * time.Millisecond)
			cancelled.Store(true)
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			started, finished := e.Started.Load(), e.Finished.Load()
			if started != finished || finished != answered.Load() || finished < 16 {
				t.Errorf("%d requests started, %d finished, %d answered", started, finished, answered.Load())
			}
			if c.grace > 0 && late.Load() == 0 {
				t.Error("no request was accepted within the grace")
			}
		})
	}
}

// A server that drains is not ready, but healthy, and answers requests.
func TestReadinessWhileDraining(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{Grace: time.Minute, DrainTimeout: time.Minute})
	r := start(t, s)
	if status, _, err := get(r.client, r.url+"/readyz"); err != nil || status != 200 {
		t.Fatalf("%d, %v", status, err)
	}
	r.cancel()
	for !s.core.Draining() {
		time.Sleep(time.Millisecond)
	}
	status, body, err := get(r.client, r.url+"/readyz")
	if err != nil || status != 503 || !strings.Contains(body, "shutting down") {
		t.Errorf("readyz: %d %s %v", status, body, err)
	}
	if status, _, err := get(r.client, r.url+"/healthz"); err != nil || status != 200 {
		t.Errorf("healthz: %d %v", status, err)
	}
	if status, _, err := r.classify(`{"model":"sst2","input":"a"}`); err != nil || status != 200 {
		t.Errorf("classify: %d %v", status, err)
	}
	r.ln.Close() // ends the grace early
	if err := r.stop(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Requests that run longer than the drain timeout are cancelled and get 503.
func TestDrainDeadline(t *testing.T) {
	e := servertest.NewEngine()
	entered := make(chan struct{})
	e.Before = func(ctx context.Context, _ string) error {
		close(entered)
		<-ctx.Done()
		return fmt.Errorf("runtime: waiting: %w", ctx.Err())
	}
	r := start(t, newServer(t, e, Options{DrainTimeout: 30 * time.Millisecond}))
	answer := make(chan string, 1)
	go func() {
		status, body, err := r.classify(`{"model":"sst2","input":"a"}`)
		answer <- fmt.Sprint(status, " ", body, err)
	}()
	<-entered
	r.cancel()
	if got := <-answer; !strings.HasPrefix(got, "503") || !strings.Contains(got, "shutting down") {
		t.Errorf("answer %s", got)
	}
	if err := r.stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve: %v", err)
	}
}

// A server whose context has ended closes its listener.
func TestServeEnded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newServer(t, servertest.NewEngine(), Options{}).Serve(ctx, ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listener: %v", err)
	}
}

func TestListenerFails(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{Grace: time.Minute, DrainTimeout: time.Minute})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := s.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "accept on 127.0.0.1:") {
		t.Errorf("Serve: %v", err)
	}
}

// The server closes connections of clients that are slow or send too much.
func TestConnectionLimits(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{
		ReadHeaderTimeout: 250 * time.Millisecond, ReadTimeout: 500 * time.Millisecond,
		IdleTimeout: 250 * time.Millisecond, MaxHeaderBytes: 1000, MaxBodyBytes: 10000,
	})
	r := start(t, s)
	head := "POST /classify HTTP/1.1\r\nHost: localhost\r\n"
	for _, c := range []struct{ name, send, want string }{
		{"slow header", head, ""},
		{"slow body", head + "Content-Length: 100\r\n\r\n{", "HTTP/1.1 408 Request Timeout"},
		{"idle", "", ""},
		{"large header", head + "A: " + strings.Repeat("x", 10000) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		{"large body announced", head + "Content-Length: 1000000000\r\n\r\n", "HTTP/1.1 413 Request Entity Too Large"},
		{"large body in chunks", head + "Transfer-Encoding: chunked\r\n\r\n4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n", "HTTP/1.1 413 Request Entity Too Large"},
		{"expect", head + "Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n", "HTTP/1.1 413 Request Entity Too Large"},
		{"not HTTP", "\x16\x03\x01\x00\r\n\r\n", "HTTP/1.1 400 Bad Request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", r.ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, c.send); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			line, err := in.ReadString('\n')
			if strings.TrimSpace(line) != c.want {
				t.Errorf("got %q (%v), want %q", line, err, c.want)
			}
			// The server closes the connection.
			if _, err := io.Copy(io.Discard, in); isTimeout(err) {
				t.Error("the connection stays open")
			}
		})
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}
