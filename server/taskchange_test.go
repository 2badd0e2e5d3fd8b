package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"kenserve/delta"
	"kenserve/runtime"
)

// editingEngine is a loadingEngine whose tasks can be changed: a delta is the
// labels of its task, with commas between.
type editingEngine struct {
	*loadingEngine
	deltas   map[string]string
	readOnly bool
	sizes    []int64       // that Put was told
	entered  chan struct{} // Put sends to it, and waits for leave
	leave    chan struct{}
	mu       sync.Mutex
}

func newEditingEngine() *editingEngine {
	e := &editingEngine{loadingEngine: &loadingEngine{fakeEngine: newFakeEngine()}, deltas: map[string]string{}}
	e.deltas["sst2"] = "negative,positive"
	return e
}

func (e *editingEngine) Put(ctx context.Context, task string, r io.Reader, size int64) (runtime.TaskInfo, error) {
	if e.entered != nil {
		e.entered <- struct{}{}
		<-e.leave
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sizes = append(e.sizes, size)
	b, err := io.ReadAll(r)
	if err != nil {
		return runtime.TaskInfo{}, fmt.Errorf("runtime: put task %s: spool to /var/lib/store: %w", task, err)
	}
	return e.put(ctx, task, string(b))
}

func (e *editingEngine) put(ctx context.Context, task, content string) (runtime.TaskInfo, error) {
	switch {
	case ctx.Err() != nil:
		return runtime.TaskInfo{}, ctx.Err()
	case e.readOnly:
		return runtime.TaskInfo{}, fmt.Errorf("runtime: put task %s: %w: open /var/lib/store: permission denied", task, runtime.ErrReadOnly)
	case strings.HasPrefix(content, "bad"):
		return runtime.TaskInfo{}, fmt.Errorf("runtime: task %s: %w: its delta is damaged", task, runtime.ErrTaskUnusable)
	}
	e.deltas[task], e.labels[task] = content, strings.Split(content, ",")
	info, _ := e.Task(task)
	info.Labels = e.labels[task]
	return info, nil
}

func (e *editingEngine) Copy(ctx context.Context, task, source string) (runtime.TaskInfo, error) {
	content, ok := e.deltas[source]
	if !ok {
		return runtime.TaskInfo{}, fmt.Errorf("runtime: task %s: %w", source, runtime.ErrNoTask)
	}
	return e.put(ctx, task, content)
}

func (e *editingEngine) Remove(_ context.Context, task string) error {
	if e.readOnly {
		return runtime.ErrReadOnly
	}
	delete(e.deltas, task)
	delete(e.labels, task)
	return nil
}

var asAdmin = []string{"Authorization", "Bearer admin"}

func TestChangeTasks(t *testing.T) {
	jsonBody := append([]string{"Content-Type", "application/json; charset=utf-8"}, asAdmin...)
	zipped := append([]string{"Content-Encoding", "gzip"}, asAdmin...)
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		want                     string // in the answer
		mine                     string // the delta of task mine then
	}{
		{"new", "PUT", "/tasks/mine", "yes,no", asAdmin, 201, `"name":"mine","labels":["yes","no"]`, "yes,no"},
		{"replaced", "PUT", "/tasks/sst2", "yes,no", asAdmin, 200, `"name":"sst2"`, ""},
		{"packed", "PUT", "/tasks/mine", packed(t, "yes,no"), zipped, 201, `"labels":["yes","no"]`, "yes,no"},
		{"copied", "PUT", "/tasks/mine", `{"source":"sst2"}`, jsonBody, 201, `"labels":["negative","positive"]`, "negative,positive"},
		{"copy of nothing", "PUT", "/tasks/mine", `{"source":"nothing"}`, jsonBody, 404, `"there is no task \"nothing\"","type":"not_found","field":"source"`, ""},
		{"copy from elsewhere", "PUT", "/tasks/mine", `{"source":"../../etc/passwd"}`, jsonBody, 404, `"field":"source"`, ""},
		{"copy without source", "PUT", "/tasks/mine", `{}`, jsonBody, 422, `source is required`, ""},
		{"copy, not JSON", "PUT", "/tasks/mine", `yes,no`, jsonBody, 400, `"type":"malformed"`, ""},
		{"no admin key", "PUT", "/tasks/mine", "yes,no", nil, 401, "this needs the admin key", ""},
		{"no name", "PUT", "/tasks/.hidden", "yes,no", asAdmin, 422, `"field":"name"`, ""},
		{"out of the store", "PUT", "/tasks/..%2f..%2fetc", "yes,no", asAdmin, 404, `"type":"not_found"`, ""},
		{"damaged", "PUT", "/tasks/mine", "bad", asAdmin, 422, `"message":"the delta cannot be served: its delta is damaged"`, ""},
		{"damaged, over a good one", "PUT", "/tasks/sst2", "bad", asAdmin, 422, "damaged", ""},
		{"nothing", "PUT", "/tasks/mine", "", asAdmin, 422, "is empty", ""},
		{"too large", "PUT", "/tasks/mine", strings.Repeat("y", 101), asAdmin, 413, `"type":"too_large"`, ""},
		{"too large when unpacked", "PUT", "/tasks/mine", packed(t, strings.Repeat("y", 10000)), zipped, 413, `"type":"too_large"`, ""},
		{"not what it is packed as", "PUT", "/tasks/mine", "yes,no", zipped, 400, "Content-Encoding", ""},
		{"an unknown packing", "PUT", "/tasks/mine", "yes,no", append([]string{"Content-Encoding", "br"}, asAdmin...), 415, "gzip and deflate", ""},
		{"removed", "DELETE", "/tasks/trec", "", asAdmin, 204, "", ""},
		{"nothing to remove", "DELETE", "/tasks/mine", "", asAdmin, 404, `"field":"name"`, ""},
		{"remove without key", "DELETE", "/tasks/trec", "", nil, 401, "admin key", ""},
		{"load", "POST", "/tasks/trec/load", "", asAdmin, 200, `"name":"trec"`, ""},
		{"unload", "POST", "/tasks/trec/unload", "", asAdmin, 200, `"name":"trec"`, ""},
		{"load nothing", "POST", "/tasks/mine/load", "", asAdmin, 404, `"field":"name"`, ""},
		{"load without key", "POST", "/tasks/trec/load", "", nil, 401, "admin key", ""},
	} {
		e := newEditingEngine()
		s := newServer(t, e, Options{AdminKeys: []string{"admin"}, MaxUploadBytes: 100})
		w := do(s, c.method, c.path, c.body, c.header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "/var") {
			t.Errorf("%s: status %d, want %d and %s in %s", c.name, w.Code, c.status, c.want, w.Body)
		}
		if e.deltas["mine"] != c.mine {
			t.Errorf("%s: the delta is %q, want %q", c.name, e.deltas["mine"], c.mine)
		}
		if _, there := e.labels["trec"]; there == (c.name == "removed") {
			t.Errorf("%s: trec is there: %v", c.name, there)
		}
		if c.status >= 300 && e.deltas["sst2"] != "negative,positive" {
			t.Errorf("%s: sst2 is %q now", c.name, e.deltas["sst2"])
		}
	}
}

// Without an admin key nothing can be changed, whatever the caller brings.
func TestChangesAreOff(t *testing.T) {
	for _, header := range [][]string{nil, asAdmin} {
		for _, r := range [][2]string{{"PUT", "/tasks/mine"}, {"DELETE", "/tasks/sst2"}, {"POST", "/tasks/sst2/load"}, {"POST", "/tasks/sst2/unload"}} {
			e := newEditingEngine()
			w := do(newServer(t, e, Options{}), r[0], r[1], "yes,no", header...)
			if w.Code != http.StatusForbidden || len(e.did) > 0 || len(e.deltas) != 1 {
				t.Errorf("%s %s: status %d, did %q: %s", r[0], r[1], w.Code, e.did, w.Body)
			}
		}
	}
}

// A store that cannot be written says so, and nothing about where it is.
func TestReadOnlyStore(t *testing.T) {
	e := newEditingEngine()
	e.readOnly = true
	s := newServer(t, e, Options{AdminKeys: []string{"admin"}})
	for _, method := range []string{"PUT", "DELETE"} {
		w := do(s, method, "/tasks/sst2", "yes,no", asAdmin...)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"the store is read-only"`) {
			t.Errorf("%s: status %d: %s", method, w.Code, w.Body)
		}
	}
}

// What the engine is told of an upload's size, and what it does when the upload
// breaks off.
func TestUpload(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		size   int64
		status int
	}{
		{"known length", strings.NewReader("yes,no"), 6, 6, 201},
		{"chunked", strings.NewReader("yes,no"), -1, -1, 201},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("yes,no")), 6, 6, 201},
		{"too large, chunked", io.LimitReader(zeros{}, 1<<40), -1, -1, 413},
		{"ends early", io.MultiReader(strings.NewReader("yes"), iotest.ErrReader(io.ErrUnexpectedEOF)), 9, 9, 499},
		{"fails", io.MultiReader(strings.NewReader("yes"), iotest.ErrReader(broken)), 9, 9, 400},
	} {
		e := newEditingEngine()
		s := newServer(t, e, Options{AdminKeys: []string{"admin"}, MaxUploadBytes: 1000})
		r := httptest.NewRequest(http.MethodPut, "/tasks/mine", c.body)
		r.ContentLength = c.length
		r.Header.Set(asAdmin[0], asAdmin[1])
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != c.status || len(e.sizes) != 1 || e.sizes[0] != c.size || strings.Contains(w.Body.String(), "/var") {
			t.Errorf("%s: status %d, want %d, sizes %d: %s", c.name, w.Code, c.status, e.sizes, w.Body)
		}
	}
}

// An upload may take longer than other requests, but not for ever.
func TestUploadTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		rest    string // sent after a pause that other requests do not have
		want    string
	}{
		{"slower than others may be", time.Minute, ",no", "HTTP/1.1 201 Created"},
		{"never ends", 200 * time.Millisecond, "", "HTTP/1.1 408 Request Timeout"},
	} {
		s := newServer(t, newEditingEngine(), Options{
			AdminKeys: []string{"admin"}, ReadTimeout: 50 * time.Millisecond, RequestTimeout: 50 * time.Millisecond,
			WriteTimeout: time.Minute, UploadTimeout: c.timeout,
		})
		s.core.Now = time.Now
		r := start(t, s)
		conn, err := net.Dial("tcp", r.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /tasks/mine HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Length: 6\r\n\r\nyes")
		time.Sleep(150 * time.Millisecond)
		fmt.Fprint(conn, c.rest)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if strings.TrimSpace(line) != c.want {
			t.Errorf("%s: %q, %v", c.name, line, err)
		}
		conn.Close()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

// Uploads at a time are bounded.
func TestUploadsAtATime(t *testing.T) {
	e := newEditingEngine()
	e.entered, e.leave = make(chan struct{}), make(chan struct{})
	s := newServer(t, e, Options{AdminKeys: []string{"admin"}})
	done := make(chan int)
	for i := range maxUploads {
		go func() { done <- do(s, "PUT", fmt.Sprintf("/tasks/t%d", i), "yes,no", asAdmin...).Code }()
		<-e.entered
	}
	if w := do(s, "PUT", "/tasks/mine", "yes,no", asAdmin...); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more: status %d: %s", w.Code, w.Body)
	}
	close(e.leave)
	for range maxUploads {
		if status := <-done; status != http.StatusCreated {
			t.Errorf("one of those under way: status %d", status)
		}
	}
	e.entered = nil
	if w := do(s, "PUT", "/tasks/mine", "yes,no", asAdmin...); w.Code != http.StatusCreated {
		t.Errorf("afterwards: status %d: %s", w.Code, w.Body)
	}
}

func FuzzSourceRequest(f *testing.F) {
	for _, seed := range []string{`{"source":"trec"}`, `{"source":"../x"}`, `{"source":5,"a":[{}]}`, `{`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if source, err := parseSource(body, fuzzLimits); err == nil && !delta.ValidTask(source) {
			t.Errorf("%q: %q is no task's name", body, source)
		}
	})
}

// packed is a text in gzip.
func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
