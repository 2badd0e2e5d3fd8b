package server

import (
	"bytes"
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
			got, p := s.readBody(r, limit)
			switch {
			case p == nil && (c.status != 0 || got != sent.String()):
				t.Errorf("read %d bytes of %d, want status %d", len(got), sent.Len(), c.status)
			case p != nil && p.status != c.status:
				t.Errorf("status %d, want %d: %s", p.status, c.status, p)
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
	if _, p := s.readBody(r, 1<<31-1); p == nil {
		t.Fatal("read")
	}
	if cap(s.body) > 64<<10 {
		t.Errorf("took %d bytes for 3", cap(s.body))
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
