package httpbody

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"kenserve/server/internal/problem"
)

// Buffers is the memory that a request works in and the next one reuses.
type Buffers struct {
	body  []byte // as it arrived, unpacked
	Out   []byte // the answer
	Order []int32

	budget *Budget // what the body counts against
	held   int     // bytes taken from it
}

var scratches = sync.Pool{New: func() any { return new(Buffers) }}

// NewBuffers takes a Buffers whose body counts against b. Its user releases it
// when nothing refers to the body any more.
func NewBuffers(b *Budget) *Buffers {
	s := scratches.Get().(*Buffers)
	s.budget = b
	return s
}

// keepBytes bounds what a Buffers may keep, so that one large request does not
// leave its buffers behind for good.
const keepBytes = 256 << 10

func (s *Buffers) Release() {
	if cap(s.body) > keepBytes {
		s.body = nil
	}
	if cap(s.Out) > keepBytes {
		s.Out = nil
	}
	if s.budget != nil {
		s.budget.Give(s.held)
	}
	s.budget, s.held = nil, 0
	scratches.Put(s)
}

// Read reads a request's body of at most limit bytes, as sent and unpacked.
// The string is the one copy that the texts of the request are parts of. Memory
// grows with the bytes that have arrived, not with the announced length, so that
// a slow client cannot reserve what it does not send.
func (s *Buffers) Read(r *http.Request, limit int) (string, error) {
	stream, err := Open(r, limit)
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
		n, err := stream.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		if stream.tooLarge() {
			return "", stream.Problem()
		}
		if s.budget != nil {
			if !s.budget.Take(n) {
				return "", problem.Overloaded("too many bytes of requests are being read, try again later")
			}
			s.held += n
		}
		switch {
		case err == io.EOF:
			return string(b), nil
		case err != nil:
			return "", stream.Problem()
		}
	}
}

// Stream reads a body without its Content-Encoding. It bounds the bytes as sent
// and as unpacked.
type Stream struct {
	request  *http.Request
	limit    int
	packed   bool
	sent     boundedReader
	unpacked boundedReader
}

// Open begins to read a request's body of at most limit bytes, as sent and as
// unpacked.
func Open(r *http.Request, limit int) (*Stream, error) {
	if r.ContentLength > int64(limit) {
		return nil, TooLarge(limit)
	}
	s := &Stream{request: r, limit: limit, sent: boundedReader{r: r.Body, left: limit}}
	source, err := unpack(r.Header, &s.sent)
	if err != nil {
		return nil, err
	}
	s.packed = source != io.Reader(&s.sent)
	s.unpacked = boundedReader{r: source, left: limit}
	return s, nil
}

func (s *Stream) Read(b []byte) (int, error) { return s.unpacked.Read(b) }

// Size is the length of the unpacked body, -1 if it is not known.
func (s *Stream) Size() int64 {
	if s.packed {
		return -1
	}
	return s.request.ContentLength
}

func (s *Stream) tooLarge() bool {
	return errors.Is(s.sent.err, errTooLarge) || errors.Is(s.unpacked.err, errTooLarge)
}

// Problem tells why the body could not be read, as a *[problem.Problem]; nil if
// reading did not fail.
func (s *Stream) Problem() error {
	switch {
	case s.tooLarge():
		return TooLarge(s.limit)
	case s.sent.err != nil && s.sent.err != io.EOF:
		return transferProblem(s.request, s.sent.err)
	case s.unpacked.err != nil && s.unpacked.err != io.EOF:
		p := problem.Malformed("the body is not what its Content-Encoding says")
		p.Cause = s.unpacked.err
		return p
	}
	return nil
}

// boundedReader fails beyond its bound. It keeps the first error, so that a
// fault of the connection is told from one of the packing.
type boundedReader struct {
	r    io.Reader
	left int // bytes that may still come
	err  error
}

var errTooLarge = errors.New("body too large")

func (r *boundedReader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(b)
	if r.left -= n; r.left < 0 && err == nil {
		err = errTooLarge
	}
	r.err = err
	return n, err
}

// unpack returns a reader of the body without its Content-Encoding, of which
// there may be one: gzip or deflate (in the zlib format, RFC 9110).
func unpack(h http.Header, sent io.Reader) (io.Reader, error) {
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

func TooLarge(limit int) error {
	p := problem.Malformed("the body is larger than %d bytes", limit)
	p.Status, p.Kind = http.StatusRequestEntityTooLarge, problem.KindTooLarge
	return p
}

func transferProblem(r *http.Request, err error) error {
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
