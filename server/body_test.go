package server

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadBody(t *testing.T) {
	const limit = 10000
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		status int // 0: read
	}{
		{"empty", strings.NewReader(""), 0, 0},
		{"short", strings.NewReader("abc"), 3, 0},
		{"at the limit", strings.NewReader(strings.Repeat("x", limit)), limit, 0},
		{"at the limit, chunked", strings.NewReader(strings.Repeat("x", limit)), -1, 0},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("abcdef")), -1, 0},
		{"data with EOF", iotest.DataErrReader(strings.NewReader("abc")), 3, 0},
		{"announced over the limit", iotest.ErrReader(errors.New("must not be read")), limit + 1, 413},
		{"over the limit, chunked", strings.NewReader(strings.Repeat("x", limit+1)), -1, 413},
		{"far over the limit, chunked", io.LimitReader(zeros{}, 1<<40), -1, 413},
		{"fails", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), -1, 400},
		{"ends early", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)), 9, 499},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent bytes.Buffer
			r := httptest.NewRequest(http.MethodPost, "/classify", io.TeeReader(c.body, &sent))
			r.ContentLength = c.length
			s := new(scratch)
			got, err := s.readBody(r, limit)
			switch {
			case err == nil && (c.status != 0 || got != sent.String()):
				t.Errorf("read %d bytes of %d, want status %d", len(got), sent.Len(), c.status)
			case err != nil && asProblem(t, err).Status != c.status:
				t.Errorf("status %d, want %d: %s", asProblem(t, err).Status, c.status, err)
			}
			if cap(s.body) > limit+1 {
				t.Errorf("took %d bytes for a limit of %d", cap(s.body), limit)
			}
		})
	}
}

// What is announced takes no memory before it arrives.
func TestReadBodyTakesWhatArrived(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/classify", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.ContentLength = 1 << 30
	s := new(scratch)
	if _, err := s.readBody(r, 1<<31-1); err == nil {
		t.Fatal("read")
	}
	if cap(s.body) > 64<<10 {
		t.Errorf("took %d bytes for 3", cap(s.body))
	}
}

func packed(t testing.TB, encoding, body string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip", "x-gzip", "GZIP":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default:
		return body
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompressedBody(t *testing.T) {
	request := `{"model":"sst2","input":"a b"}`
	long := `{"model":"sst2","input":"` + strings.Repeat("a ", 2000) + `"}`
	s := newServer(t, newFakeEngine(), Options{MaxBodyBytes: 2000})
	want := post(s, request, "X-Request-Id", "same").Body.String()
	for _, c := range []struct {
		name     string
		body     string
		encoding []string
		status   int
	}{
		{"gzip", packed(t, "gzip", request), []string{"gzip"}, 200},
		{"gzip by its old name", packed(t, "gzip", request), []string{"x-gzip"}, 200},
		{"gzip in capitals", packed(t, "gzip", request), []string{"GZIP"}, 200},
		{"deflate", packed(t, "deflate", request), []string{"deflate"}, 200},
		{"identity", request, []string{"identity"}, 200},
		{"empty", request, []string{""}, 200},
		{"two parts of gzip", packed(t, "gzip", request[:10]) + packed(t, "gzip", request[10:]), []string{"gzip"}, 200},
		{"over the limit when unpacked", packed(t, "gzip", long), []string{"gzip"}, 413},
		{"a bomb", packed(t, "gzip", strings.Repeat("\x00", 16<<20)), []string{"gzip"}, 413},
		{"a bomb in deflate", packed(t, "deflate", strings.Repeat("\x00", 10<<20)), []string{"deflate"}, 413},
		{"empty parts without end", strings.Repeat(packed(t, "gzip", ""), 1000), []string{"gzip"}, 413},
		{"not gzip", request, []string{"gzip"}, 400},
		{"gzip cut off", packed(t, "gzip", request)[:20], []string{"gzip"}, 400},
		{"gzip with a wrong checksum", strings.Replace(packed(t, "gzip", request), "\x1f", "\x1e", 1), []string{"gzip"}, 400},
		{"nothing", "", []string{"gzip"}, 400},
		{"deflate without its header", packed(t, "deflate", request)[2:], []string{"deflate"}, 400},
		{"brotli", request, []string{"br"}, 415},
		{"twice", packed(t, "gzip", packed(t, "gzip", request)), []string{"gzip", "gzip"}, 415},
		{"twice in one header", packed(t, "gzip", request), []string{"gzip, gzip"}, 415},
	} {
		header := []string{"X-Request-Id", "same"}
		for _, e := range c.encoding {
			header = append(header, "Content-Encoding", e)
		}
		w := post(s, c.body, header...)
		if w.Code != c.status || c.status == 200 && w.Body.String() != want {
			t.Errorf("%s: status %d, want %d: %s", c.name, w.Code, c.status, w.Body)
		}
		if used := s.bodies.used.Load(); used != 0 {
			t.Fatalf("%s: %d bytes are counted when the request is over", c.name, used)
		}
	}
}

// A bomb takes the memory of the limit, not of what it unpacks to.
func TestCompressedBodyTakesLittle(t *testing.T) {
	bomb := packed(t, "gzip", strings.Repeat("x", 16<<20))
	r := httptest.NewRequest(http.MethodPost, "/classify", strings.NewReader(bomb))
	r.Header.Set("Content-Encoding", "gzip")
	s := new(scratch)
	if _, err := s.readBody(r, 1<<20); err == nil || asProblem(t, err).Status != http.StatusRequestEntityTooLarge {
		t.Fatalf("%v", err)
	}
	if cap(s.body) > 1<<20+1 {
		t.Errorf("took %d bytes", cap(s.body))
	}
}

// Bodies of requests under way count against one budget: what is beyond is
// refused, and room comes back when they are done.
func TestBodyMemory(t *testing.T) {
	e := newFakeEngine()
	entered, leave := make(chan struct{}), make(chan struct{})
	e.before = func(_ context.Context, task string) error {
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
	if used := s.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are counted in the end", used)
	}
}

func TestScratchKeepsLittle(t *testing.T) {
	s := &scratch{body: make([]byte, keepBytes+1), out: make([]byte, keepBytes+1)}
	s.release()
	if s.body != nil || s.out != nil {
		t.Error("kept large buffers")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
