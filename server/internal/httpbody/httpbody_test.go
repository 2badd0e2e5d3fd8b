package httpbody

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

	"kenserve/internal/memory"
	"kenserve/server/internal/problem"
)

func TestRead(t *testing.T) {
	const limit = 10000
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		status int // 0: no error
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
			s := new(Buffers)
			got, err := s.Read(r, limit)
			switch {
			case err == nil && (c.status != 0 || got != sent.String()):
				t.Errorf("read %d bytes of %d, want status %d", len(got), sent.Len(), c.status)
			case err != nil && statusOf(err) != c.status:
				t.Errorf("status %d, want %d: %s", statusOf(err), c.status, err)
			}
			if cap(s.body) > limit+1 {
				t.Errorf("took %d bytes for a limit of %d", cap(s.body), limit)
			}
		})
	}
}

// A body takes no memory for bytes that were announced and have not arrived.
func TestReadTakesWhatArrived(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/classify", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.ContentLength = 1 << 30
	s := new(Buffers)
	if _, err := s.Read(r, 1<<31-1); err == nil {
		t.Fatal("read a body that ended early")
	}
	if cap(s.body) > 64<<10 {
		t.Errorf("took %d bytes for 3", cap(s.body))
	}
}

func encoded(t testing.TB, encoding, body string) string {
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
	const limit = 2000
	request := `{"model":"sst2","input":"a b"}`
	long := `{"model":"sst2","input":"` + strings.Repeat("a ", 2000) + `"}`
	for _, c := range []struct {
		name     string
		body     string
		encoding []string
		status   int // 0: read
	}{
		{"gzip", encoded(t, "gzip", request), []string{"gzip"}, 0},
		{"gzip by its old name", encoded(t, "gzip", request), []string{"x-gzip"}, 0},
		{"gzip in capitals", encoded(t, "gzip", request), []string{"GZIP"}, 0},
		{"deflate", encoded(t, "deflate", request), []string{"deflate"}, 0},
		{"identity", request, []string{"identity"}, 0},
		{"empty", request, []string{""}, 0},
		{"two gzip members", encoded(t, "gzip", request[:10]) + encoded(t, "gzip", request[10:]), []string{"gzip"}, 0},
		{"over the limit when decoded", encoded(t, "gzip", long), []string{"gzip"}, 413},
		{"bomb", encoded(t, "gzip", strings.Repeat("\x00", 16<<20)), []string{"gzip"}, 413},
		{"bomb in deflate", encoded(t, "deflate", strings.Repeat("\x00", 10<<20)), []string{"deflate"}, 413},
		{"endless empty members", strings.Repeat(encoded(t, "gzip", ""), 1000), []string{"gzip"}, 413},
		{"not gzip", request, []string{"gzip"}, 400},
		{"gzip cut off", encoded(t, "gzip", request)[:20], []string{"gzip"}, 400},
		{"gzip with a wrong checksum", strings.Replace(encoded(t, "gzip", request), "\x1f", "\x1e", 1), []string{"gzip"}, 400},
		{"no bytes", "", []string{"gzip"}, 400},
		{"deflate without its header", encoded(t, "deflate", request)[2:], []string{"deflate"}, 400},
		{"brotli", request, []string{"br"}, 415},
		{"twice", encoded(t, "gzip", encoded(t, "gzip", request)), []string{"gzip", "gzip"}, 415},
		{"twice in one header", encoded(t, "gzip", request), []string{"gzip, gzip"}, 415},
	} {
		account := memory.New(1 << 20)
		loan := account.Open()
		b := NewBuffers()
		r := httptest.NewRequest(http.MethodPost, "/classify", strings.NewReader(c.body))
		r.Header["Content-Encoding"] = c.encoding
		got, err := b.Read(r.WithContext(memory.WithLoan(r.Context(), loan)), limit)
		if status := statusOf(err); status != c.status || c.status == 0 && got != request {
			t.Errorf("%s: read %q, status %d, want %d: %v", c.name, got, status, c.status, err)
		}
		b.Release()
		loan.Close()
		if used := account.Used(); used != 0 {
			t.Fatalf("%s: %d bytes count after the request", c.name, used)
		}
	}
}

// statusOf is the status of a problem, 0 of none.
func statusOf(err error) int {
	if p := problem.Of(err); p != nil {
		return p.Status
	}
	return 0
}

// A decompression bomb takes the memory of the limit, not of its content.
func TestCompressedBodyTakesLittle(t *testing.T) {
	bomb := encoded(t, "gzip", strings.Repeat("x", 16<<20))
	r := httptest.NewRequest(http.MethodPost, "/classify", strings.NewReader(bomb))
	r.Header.Set("Content-Encoding", "gzip")
	s := new(Buffers)
	if _, err := s.Read(r, 1<<20); err == nil || statusOf(err) != http.StatusRequestEntityTooLarge {
		t.Fatalf("%v", err)
	}
	if cap(s.body) > 1<<20+1 {
		t.Errorf("took %d bytes", cap(s.body))
	}
}

// Large bodies are parsed a few at a time. A request whose client leaves does not wait for
// its turn, and small ones need none.
func TestTurns(t *testing.T) {
	read := func(ctx context.Context, size int) (*Buffers, error) {
		b := NewBuffers()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size)))
		_, err := b.Read(r.WithContext(ctx), 1<<20)
		return b, err
	}
	var busy []*Buffers
	for range cap(turns) {
		b, err := read(t.Context(), maxPooledBytes+1)
		if err != nil {
			t.Fatal(err)
		}
		busy = append(busy, b)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	b, err := read(gone, maxPooledBytes+1)
	if statusOf(err) != problem.StatusClientClosed {
		t.Errorf("without a turn: %v", err)
	}
	b.Release()
	if b, err = read(t.Context(), maxPooledBytes); err != nil {
		t.Errorf("a small body: %v", err)
	}
	b.Release()
	busy[0].EndTurn()
	if b, err = read(t.Context(), maxPooledBytes+1); err != nil {
		t.Errorf("after a turn ended: %v", err)
	}
	b.Release()
	for _, b := range busy {
		b.Release()
	}
	if len(turns) != 0 {
		t.Errorf("%d turns have not ended", len(turns))
	}
}

func TestBuffersKeepLittle(t *testing.T) {
	s := &Buffers{body: make([]byte, maxPooledBytes+1), Out: make([]byte, maxPooledBytes+1)}
	s.Release()
	if s.body != nil || s.Out != nil {
		t.Error("kept large buffers")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
