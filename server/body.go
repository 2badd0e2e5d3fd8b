package server

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"kenserve/server/internal/problem"
	"net/http"
	"os"
	"strings"
	"sync"
)

// scratch is the memory that a request works in and the next one reuses.
type scratch struct {
	body  []byte // as it arrived, unpacked
	out   []byte // the answer
	order []int32

	budget *budget // what the body counts against
	held   int     // bytes taken from it
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// newScratch takes a scratch whose body counts against b. Its user releases it
// when nothing refers to the body any more.
func newScratch(b *budget) *scratch {
	s := scratches.Get().(*scratch)
	s.budget = b
	return s
}

// keepBytes bounds what a scratch may keep, so that one large request does not
// leave its buffers behind for good.
const keepBytes = 256 << 10

func (s *scratch) release() {
	if cap(s.body) > keepBytes {
		s.body = nil
	}
	if cap(s.out) > keepBytes {
		s.out = nil
	}
	if s.budget != nil {
		s.budget.give(s.held)
	}
	s.budget, s.held = nil, 0
	scratches.Put(s)
}

// readBody reads a request's body of at most limit bytes, as sent and unpacked.
// The string is the one copy that the texts of the request are parts of. Memory
// grows with the bytes that have arrived, not with the announced length, so that
// a slow client cannot reserve what it does not send.
func (s *scratch) readBody(r *http.Request, limit int) (string, error) {
	if r.ContentLength > int64(limit) {
		return "", bodyTooLarge(limit)
	}
	sent := &sentBody{r: r.Body, left: limit}
	source, err := unpacked(r.Header, sent)
	if err != nil {
		return "", err
	}
	b := s.body[:0]
	defer func() { s.body = b }()
	for {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(max(2*len(b), 4<<10), limit+1))
			copy(grown, b)
			b = grown
		}
		n, err := source.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		if len(b) > limit || errors.Is(sent.err, errBodyTooLarge) {
			return "", bodyTooLarge(limit)
		}
		if s.budget != nil {
			if !s.budget.take(n) {
				return "", &problem.Problem{Status: http.StatusTooManyRequests, Kind: problem.KindOverloaded, Message: "too many bytes of requests are being read, try again later"}
			}
			s.held += n
		}
		switch {
		case err == io.EOF:
			return string(b), nil
		case err != nil && (sent.err == nil || sent.err == io.EOF):
			p := problem.Malformed("the body is not what its Content-Encoding says")
			p.Cause = err
			return "", p
		case err != nil:
			return "", bodyProblem(r, sent.err)
		}
	}
}

// sentBody is a body as it is sent, packed or not. It keeps the first error, so
// that a fault of the connection is told from one of the packing.
type sentBody struct {
	r    io.Reader
	left int // bytes that may still come
	err  error
}

var errBodyTooLarge = errors.New("body too large")

func (s *sentBody) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(b)
	if s.left -= n; s.left < 0 && err == nil {
		err = errBodyTooLarge
	}
	s.err = err
	return n, err
}

// unpacked returns a reader of the body without its Content-Encoding, of which
// there may be one: gzip or deflate (in the zlib format, RFC 9110).
func unpacked(h http.Header, sent io.Reader) (io.Reader, error) {
	packing := ""
	for _, v := range h["Content-Encoding"] {
		if v == "" || strings.EqualFold(v, "identity") {
			continue
		}
		if packing != "" {
			packing = "several"
			break
		}
		packing = strings.ToLower(v)
	}
	switch packing {
	case "":
		return sent, nil
	case "gzip", "x-gzip":
		return &lazyReader{open: func() (io.Reader, error) { return gzip.NewReader(sent) }}, nil
	case "deflate":
		return &lazyReader{open: func() (io.Reader, error) { return zlib.NewReader(sent) }}, nil
	}
	return nil, &problem.Problem{
		Status: http.StatusUnsupportedMediaType, Kind: problem.KindEncoding,
		Message: "the only encodings of a body are gzip and deflate, one of them",
	}
}

// lazyReader opens its reader, which reads a header, at the first Read, so that
// there is one place where errors come from.
type lazyReader struct {
	open func() (io.Reader, error)
	r    io.Reader
}

func (l *lazyReader) Read(b []byte) (int, error) {
	if l.r == nil {
		r, err := l.open()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		l.r = r
	}
	return l.r.Read(b)
}

func bodyTooLarge(limit int) *problem.Problem {
	p := problem.Malformed("the body is larger than %d bytes", limit)
	p.Status, p.Kind = http.StatusRequestEntityTooLarge, problem.KindTooLarge
	return p
}

func bodyProblem(r *http.Request, err error) *problem.Problem {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem.Problem{Status: http.StatusRequestTimeout, Kind: problem.KindTimeout, Message: "the body came too slowly", Cause: err}
	case r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF):
		return &problem.Problem{Status: problem.StatusClientClosed, Kind: problem.KindClient, Message: "the client closed the request", Cause: err}
	}
	p := problem.Malformed("the body could not be read")
	p.Cause = err
	return p
}
