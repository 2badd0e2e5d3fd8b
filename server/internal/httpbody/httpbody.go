// Package httpbody reads request bodies within limits: bytes of one body as sent
// and as decoded, and bytes of all bodies in memory. It decodes the
// Content-Encodings gzip and deflate.
package httpbody

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"kenserve/server/internal/problem"
)

// Stream reads a body without its Content-Encoding, within a limit on the bytes
// as sent and as decoded.
type Stream struct {
	request *http.Request
	limit   int
	encoded bool
	sent    boundedReader
	decoded boundedReader
}

// Open begins to read a body of at most limit bytes, as sent and as decoded. The
// error is a *[problem.Problem].
func Open(r *http.Request, limit int) (*Stream, error) {
	if r.ContentLength > int64(limit) {
		return nil, TooLarge(limit)
	}
	s := &Stream{request: r, limit: limit, sent: boundedReader{r: r.Body, left: limit}}
	decoder, err := decode(r.Header, &s.sent)
	if err != nil {
		return nil, err
	}
	s.encoded = decoder != io.Reader(&s.sent)
	s.decoded = boundedReader{r: decoder, left: limit}
	return s, nil
}

func (s *Stream) Read(b []byte) (int, error) { return s.decoded.Read(b) }

// Size is the length of the decoded body in bytes, or -1 if it is not known.
func (s *Stream) Size() int64 {
	if s.encoded {
		return -1
	}
	return s.request.ContentLength
}

// Problem is the *[problem.Problem] for which reading failed, or nil.
func (s *Stream) Problem() error {
	switch {
	case s.tooLarge():
		return TooLarge(s.limit)
	case s.sent.err != nil && s.sent.err != io.EOF:
		return transferProblem(s.request, s.sent.err)
	case s.decoded.err != nil && s.decoded.err != io.EOF:
		p := problem.Malformed("the body does not match its Content-Encoding")
		p.Cause = s.decoded.err
		return p
	}
	return nil
}

func (s *Stream) tooLarge() bool {
	return errors.Is(s.sent.err, errTooLarge) || errors.Is(s.decoded.err, errTooLarge)
}

// TooLarge is the *[problem.Problem] of a body of more than limit bytes.
func TooLarge(limit int) error {
	p := problem.Malformed("the body is larger than %d bytes", limit)
	p.Status, p.Kind = http.StatusRequestEntityTooLarge, problem.KindTooLarge
	return p
}

// transferProblem is the problem of a body whose transfer failed with err.
func transferProblem(r *http.Request, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem.Problem{Status: http.StatusRequestTimeout, Kind: problem.KindTimeout, Message: "the body arrived too slowly", Cause: err}
	case r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF):
		return &problem.Problem{Status: problem.StatusClientClosed, Kind: problem.KindClient, Message: "the client closed the request", Cause: err}
	}
	p := problem.Malformed("the body could not be read")
	p.Cause = err
	return p
}

// boundedReader fails after left bytes. It keeps its first error, which tells
// failures of the connection from failures of the decoder.
type boundedReader struct {
	r    io.Reader
	left int
	err  error
}

var errTooLarge = errors.New("body too large")

func (r *boundedReader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(b)
	if r.left -= n; r.left < 0 && (err == nil || err == io.EOF) { // the last bytes may come with the end
		err = errTooLarge
	}
	r.err = err
	return n, err
}

// decode returns a reader of the body without its Content-Encoding: none, gzip, or
// deflate (in the zlib format, RFC 9110 section 8.4.1.2).
func decode(h http.Header, sent io.Reader) (io.Reader, error) {
	encoding := ""
	for _, v := range h["Content-Encoding"] {
		if v == "" || strings.EqualFold(v, "identity") {
			continue
		}
		if encoding != "" {
			return nil, encodingProblem("the body has more than one Content-Encoding, must have one: gzip or deflate")
		}
		encoding = strings.ToLower(v)
	}
	switch encoding {
	case "":
		return sent, nil
	case "gzip", "x-gzip":
		return &lazyReader{open: func() (io.Reader, error) { return gzip.NewReader(sent) }}, nil
	case "deflate":
		return &lazyReader{open: func() (io.Reader, error) { return zlib.NewReader(sent) }}, nil
	}
	return nil, encodingProblem("the Content-Encoding is " + problem.Quote(encoding) + ", must be gzip or deflate")
}

func encodingProblem(message string) error {
	return &problem.Problem{Status: http.StatusUnsupportedMediaType, Kind: problem.KindEncoding, Message: message}
}

// lazyReader opens a decoder at the first Read. Decoders read a header when they
// are opened; this way all errors come from Read.
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
