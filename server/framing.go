package server

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/problem"
)

// A request with Content-Length and Transfer-Encoding ends at two places: a proxy in
// front may believe the one and the server the other, and then a part of one client's
// body becomes another client's request (RFC 9112, 6.3 and 11.2). net/http removes the
// Content-Length of such a request before a handler sees it. So [framedConn] follows
// the requests of a connection as they are read, and notes which of them a strict
// server must not answer: those get 400, and the connection is closed.
//
// It sees plain HTTP/1 only. HTTP/2 has no such ambiguity. Below TLS the bytes are
// encrypted, and above it net/http needs its own type of connection; there the
// connection is closed after every chunked request, so that nothing can follow one.

// framedConn is a connection whose requests are followed.
type framedConn struct {
	net.Conn

	mu      sync.Mutex
	tracker framing
}

// Read implements net.Conn.
func (c *framedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.tracker.follow(p[:n])
	c.mu.Unlock()
	return n, err
}

// next returns what is wrong with the framing of the next request to be answered, ""
// if nothing is. known is false if the connection could not be followed so far.
func (c *framedConn) next() (fault string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tracker.faults) == 0 {
		return "", false
	}
	fault = c.tracker.faults[0]
	c.tracker.faults = c.tracker.faults[1:]
	return fault, true
}

// framedListener accepts connections that are followed.
type framedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: c}, nil
}

type framedKey struct{}

// withFraming is the ConnContext of a server.
func withFraming(ctx context.Context, c net.Conn) context.Context {
	if f, ok := c.(*framedConn); ok {
		return context.WithValue(ctx, framedKey{}, f)
	}
	return ctx
}

// framingFault is the key of what is wrong with a request in its gin context.
const framingFault = "kenserve.framing"

// follow is the first middleware.
func follow(c *gin.Context) {
	c.Set(framingFault, framingOf(c.Writer.Header(), c.Request))
}

// framingOf returns what is wrong with the framing of a request, "" if nothing is.
// It must be called once for every request of a connection, in their order. If
// nothing may follow the request on its connection, the header of the answer says so.
func framingOf(answer http.Header, r *http.Request) (fault string) {
	if r.ProtoMajor != 1 {
		return ""
	}
	safe := len(r.TransferEncoding) == 0
	if conn, ok := r.Context().Value(framedKey{}).(*framedConn); ok {
		fault, safe = conn.next()
	}
	if !safe || fault != "" {
		answer.Set("Connection", "close")
	}
	return fault
}

// framing is the middleware that refuses requests whose end is ambiguous.
func (s *Server) framing(c *gin.Context) {
	if fault := c.GetString(framingFault); fault != "" {
		s.writeProblem(c, stateOf(c), problem.Malformed("the request %s", fault))
		c.Abort()
	}
}

// framing finds the beginnings and ends of the requests in the bytes of a connection.
// It accepts whatever net/http may accept. Where it does not know how a request ends
// it stops: the server then closes the connection after the next answer.
type framing struct {
	faults []string // of the requests whose header has been read, in order

	state framingState
	line  []byte // the beginning of the present line, in a header or of a chunk
	left  int64  // bytes of the body or chunk that are still to come

	lengths, encodings int // headers of the present request
	length             int64
	old                bool // the present request is of HTTP/1.0
	fault              string
}

type framingState int

const (
	atStart   framingState = iota // before a request line
	inHeader                      // after it
	inBody                        // of known length
	atChunk                       // before the size of a chunk
	inChunk                       // in a chunk's bytes
	endChunk                      // before the line end after them
	inTrailer                     // after the last chunk
	stopped
)

// maxLine bounds the part of a line that is looked at. A length in a longer line is
// refused; net/http refuses such an encoding.
const maxLine = 256

// follow reads the bytes that come next.
func (f *framing) follow(p []byte) {
	for len(p) > 0 && f.state != stopped {
		if f.state == inBody || f.state == inChunk {
			n := min(f.left, int64(len(p)))
			f.left -= n
			p = p[n:]
			if f.left == 0 {
				if f.state == inBody {
					f.state = atStart
				} else {
					f.state = endChunk
				}
			}
			continue
		}
		c := p[0]
		p = p[1:]
		if c != '\n' {
			if len(f.line) < maxLine {
				f.line = append(f.line, c)
			}
			continue
		}
		f.endLine(bytes.TrimSuffix(f.line, []byte("\r")))
		f.line = f.line[:0]
	}
}

// endLine takes a whole line without its end.
func (f *framing) endLine(line []byte) {
	switch f.state {
	case atStart:
		if len(line) == 0 { // net/http skips a line end after a POST
			return
		}
		if bytes.HasPrefix(line, []byte("PRI ")) {
			f.state = stopped
			return
		}
		// The version is not in the part of a long line that is kept.
		*f = framing{faults: f.faults, line: f.line, state: inHeader, old: bytes.HasSuffix(line, []byte("HTTP/1.0"))}
	case inHeader:
		if len(line) == 0 {
			f.endHeader()
			return
		}
		f.header(line)
	case atChunk:
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 62)
		switch {
		case err != nil:
			f.state = stopped
		case n == 0:
			f.state = inTrailer
		default:
			f.left, f.state = int64(n), inChunk
		}
	case endChunk:
		if f.state = atChunk; len(line) > 0 {
			f.state = stopped
		}
	case inTrailer:
		if len(line) == 0 {
			f.state = atStart
		}
	}
}

// header takes a line of a header.
func (f *framing) header(line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		f.fault = "has a header that continues on a second line"
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		if len(line) >= maxLine { // net/http takes a length after any number of zeros
			f.fault = "has a Content-Length that is too long"
		}
		f.lengths++
		n, err := strconv.ParseInt(string(value), 10, 63)
		if f.length = n; err != nil || n < 0 {
			f.length = -1
		}
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		f.encodings++
		if !bytes.EqualFold(value, []byte("chunked")) { // net/http takes no other
			f.length = -1
		}
	}
}

// endHeader decides what follows the header.
func (f *framing) endHeader() {
	switch {
	case f.lengths > 0 && f.encodings > 0:
		f.fault = "has both Content-Length and Transfer-Encoding"
	case f.lengths > 1:
		f.fault = "has more than one Content-Length"
	case f.encodings > 1:
		f.fault = "has more than one Transfer-Encoding"
	case f.encodings > 0 && f.old:
		f.fault = "has a Transfer-Encoding in HTTP/1.0"
	}
	f.faults = append(f.faults, f.fault)
	switch {
	case f.fault != "", f.length < 0:
		f.state = stopped
	case f.encodings > 0:
		f.state = atChunk
	case f.length > 0:
		f.left, f.state = f.length, inBody
	default:
		f.state = atStart
	}
}
