package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// limits are small values for the flags that limit requests, which are easy to exceed.
var limits = [][2]string{
	{"max-body", "3000B"},
	{"max-body-memory", "3000B"},
	{"max-upload", "500B"},
	{"max-texts", "3"},
	{"max-text", "1000B"},
	{"max-tasks", "2"},
	{"max-tokens", "8"},
	{"max-waiting", "1"},
	{"max-waiting-tokens", "1"},
	{"max-header", "1KiB"},
	{"header-timeout", "300ms"},
	{"read-timeout", "600ms"},
	{"upload-timeout", "500ms"},
	{"idle-timeout", "300ms"},
	{"metric-tasks", "1"},
	{"workers", "1"},
}

// TestLimits exceeds every limit of a running program, set by flags, by the environment, and
// by a configuration file.
func TestLimits(t *testing.T) {
	w := newFixture(t, "one", "two", "three")
	admin := filepath.Join(filepath.Dir(w.base), "admin.keys")
	if err := os.WriteFile(admin, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	common := []string{"serve", "--base", w.base, "--store", w.store, "--listen", "127.0.0.1:0", "--admin-key-file", admin}
	for _, way := range []struct {
		name string
		set  func(limits [][2]string) (env, args []string)
	}{
		{"flags", func(limits [][2]string) (env, args []string) {
			for _, l := range limits {
				args = append(args, "--"+l[0], l[1])
			}
			return nil, args
		}},
		{"environment", func(limits [][2]string) (env, args []string) {
			for _, l := range limits {
				env = append(env, "KENSERVE_"+strings.ToUpper(strings.ReplaceAll(l[0], "-", "_"))+"="+l[1])
			}
			return env, nil
		}},
		{"configuration", func(limits [][2]string) (env, args []string) {
			var text strings.Builder
			for _, l := range limits {
				fmt.Fprintf(&text, "%s: %s\n", l[0], l[1])
			}
			config := filepath.Join(t.TempDir(), "limits.yaml")
			if err := os.WriteFile(config, []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			return nil, []string{"--config", config}
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			run := func(limits [][2]string) *running {
				env, args := way.set(limits)
				return w.start(t, env, append(common[:len(common):len(common)], args...)...)
			}
			exceedConnections(t, run([][2]string{{"max-connections", "2"}}))
			r := run(limits)
			for _, c := range limitCases {
				if got := c.status(r); got != c.want {
					t.Errorf("%s: status %d, want %d", c.limit, got, c.want)
				}
			}
			exceedQueue(t, r)
			exceedBodyMemory(t, r)
			exceedMetricTasks(t, r)
			if err := r.stop(t); err != nil {
				t.Errorf("%v: %s", err, r.text())
			}
		})
	}
}

// limitCases are requests that exceed a limit on their own. Status 0 means that the
// connection is closed without an answer.
var limitCases = []struct {
	limit  string
	status func(r *running) int
	want   int
}{
	{"no limit exceeded", postStatus(`{"model":"one","input":["a","b"]}`), 200},
	{"max-body", postStatus(`{"model":"one","input":"a"}` + strings.Repeat(" ", 3000)), 413},
	{"max-body, decompressed", func(r *running) int {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, `{"model":"one","input":"a"}`+strings.Repeat(" ", 100000))
		_ = z.Close()
		return send(r, http.MethodPost, "/classify", &b, "Content-Encoding", "gzip")
	}, 413},
	{"max-texts", postStatus(`{"model":"one","input":["a","b","c","d"]}`), 422},
	{"max-text", postStatus(`{"model":"one","input":"` + strings.Repeat("a ", 501) + `"}`), 422},
	{"max-tasks", postStatus(`{"model":["one","two","three"],"input":"a"}`), 422},
	{"max-tokens", postStatus(`{"model":"one","input":"what what what what what what what","truncate":false}`), 422},
	{"max-tokens, truncated", postStatus(`{"model":"one","input":"what what what what what what what"}`), 200},
	{"max-header", func(r *running) int {
		return send(r, http.MethodGet, "/healthz", nil, "X-Long", strings.Repeat("x", 1<<10+5<<10)) // net/http adds 4 KiB
	}, 431},
	{"max-upload", func(r *running) int {
		return send(r, http.MethodPut, "/tasks/mine", strings.NewReader(strings.Repeat("x", 501)), "Authorization", "Bearer secret")
	}, 413},
	{"header-timeout", rawStatus("GET /healthz HTTP/1.1\r\nHost: localhost\r\n"), 0},
	{"read-timeout", rawStatus("POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"), 408},
	{"upload-timeout", rawStatus("PUT /tasks/mine HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Length: 100\r\n\r\nx"), 408},
	{"idle-timeout", rawStatus(""), 0},
}

// postStatus returns a function that posts the body to /classify and returns the status.
func postStatus(body string) func(r *running) int {
	return func(r *running) int { return send(r, http.MethodPost, "/classify", strings.NewReader(body)) }
}

// send sends a request on a new connection and returns the status, -1 if there is no answer.
func send(r *running, method, path string, body io.Reader, header ...string) int {
	q, err := http.NewRequest(method, r.address+path, body)
	if err != nil {
		return -1
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	answer, err := client.Do(q)
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// rawStatus returns a function that sends the beginning of a request and waits until the
// server answers or closes the connection. It returns the status as send does, and 0 if the
// connection was closed.
func rawStatus(text string) func(r *running) int {
	return func(r *running) int {
		conn, err := net.Dial("tcp", r.host())
		if err != nil {
			return -1
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, text); err != nil {
			return -1
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if line == "" && err == io.EOF {
			return 0
		}
		status := -1
		_, _ = fmt.Sscanf(line, "HTTP/1.1 %d", &status)
		return status
	}
}

// exceedQueue sends requests from many clients until one is refused with 429.
func exceedQueue(t *testing.T, r *running) {
	var refused atomic.Bool
	var unexpected atomic.Int64
	var clients sync.WaitGroup
	deadline := time.Now().Add(time.Minute)
	for range 16 {
		clients.Go(func() {
			for !refused.Load() && time.Now().Before(deadline) {
				switch status := send(r, http.MethodPost, "/classify", strings.NewReader(`{"model":"one","input":["what what what","what what","what"]}`)); status {
				case 200:
				case 429:
					refused.Store(true)
				default:
					unexpected.Store(int64(status))
					return
				}
			}
		})
	}
	clients.Wait()
	if !refused.Load() {
		t.Errorf("max-waiting, max-waiting-tokens: no request was refused; unexpected status %d", unexpected.Load())
	}
}

// exceedBodyMemory sends a request that does not end and takes most of the memory for bodies,
// and then another one, which must be refused with 429.
func exceedBodyMemory(t *testing.T, r *running) {
	conn, err := net.Dial("tcp", r.host())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 20 { // the first request ends after read-timeout
		fmt.Fprintf(conn, "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2900\r\n\r\n%s", strings.Repeat(" ", 2500))
		if send(r, http.MethodPost, "/classify", strings.NewReader(`{"model":"one","input":"a"}`+strings.Repeat(" ", 1000))) == 429 {
			return
		}
		conn.Close()
		if conn, err = net.Dial("tcp", r.host()); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("max-body-memory: no request was refused")
}

// exceedMetricTasks sends requests for two tasks, of which the second must not have a label of
// its own.
func exceedMetricTasks(t *testing.T, r *running) {
	for _, task := range []string{"one", "two"} {
		if status := postStatus(`{"model":"` + task + `","input":"a"}`)(r); status != 200 {
			t.Errorf("task %s: status %d", task, status)
		}
	}
	answer, err := http.Get(r.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	for _, want := range []string{`kenserve_requests_total{task="one"}`, `kenserve_requests_total{task="_other"} 1`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("metric-tasks: no %s", want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// exceedConnections keeps as many connections busy as allowed. On one more, probes are
// answered and other requests are refused, until one is free.
func exceedConnections(t *testing.T, r *running) {
	var busy []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", r.host())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
		busy = append(busy, conn)
	}
	status := func(path string, want int) bool {
		for range 100 { // until the server has read the requests, or seen that one was closed
			if send(r, http.MethodGet, path, nil) == want {
				return true
			}
			time.Sleep(20 * time.Millisecond)
		}
		return false
	}
	if !status("/tasks", 429) {
		t.Error("max-connections: a request on one connection more is not refused")
	}
	if !status("/healthz", 200) {
		t.Error("max-connections: a probe on one connection more is not answered")
	}
	busy[0].Close()
	if !status("/tasks", 200) {
		t.Error("max-connections: a request is refused after a connection was closed")
	}
}
