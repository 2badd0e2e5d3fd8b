package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// scratch is the memory that a request works in and the next one reuses.
type scratch struct {
	body  []byte // as it arrived
	out   []byte // the answer
	order []int32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

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
	scratches.Put(s)
}

// readBody reads a request's body of at most limit bytes. The string is the
// one copy that the texts of the request are parts of. Memory grows with the
// bytes that have arrived, not with the announced length, so that a slow client
// cannot reserve what it does not send.
func (s *scratch) readBody(r *http.Request, limit int) (string, *problem) {
	if p := checkEncoding(r.Header); p != nil {
		return "", p
	}
	if r.ContentLength > int64(limit) {
		return "", bodyTooLarge(limit)
	}
	b := s.body[:0]
	defer func() { s.body = b }()
	for {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(max(2*len(b), 4<<10), limit+1))
			copy(grown, b)
			b = grown
		}
		n, err := r.Body.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		if len(b) > limit {
			return "", bodyTooLarge(limit)
		}
		if err == io.EOF {
			return string(b), nil
		}
		if err != nil {
			return "", bodyProblem(r, err)
		}
	}
}

// checkEncoding refuses compressed bodies: their size when unpacked has no
// limit yet.
func checkEncoding(h http.Header) *problem {
	for _, v := range h["Content-Encoding"] {
		if v != "" && !strings.EqualFold(v, "identity") {
			return &problem{
				status: http.StatusUnsupportedMediaType, kind: kindEncoding,
				message: "a body with Content-Encoding is not supported, send it as it is",
			}
		}
	}
	return nil
}

func bodyTooLarge(limit int) *problem {
	p := malformed("the body is larger than %d bytes", limit)
	p.status, p.kind = http.StatusRequestEntityTooLarge, kindTooLarge
	return p
}

func bodyProblem(r *http.Request, err error) *problem {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{status: http.StatusRequestTimeout, kind: kindTimeout, message: "the body came too slowly", cause: err}
	case r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF):
		return &problem{status: statusClientClosed, kind: kindClient, message: "the client closed the request", cause: err}
	}
	p := malformed("the body could not be read")
	p.cause = err
	return p
}
