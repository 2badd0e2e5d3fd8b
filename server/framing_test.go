package server

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

const (
	framingBody    = `{"model":"sst2","input":"a"}`
	framingChunks  = "1c\r\n" + framingBody + "\r\n0\r\n\r\n"
	framingRequest = "POST /classify HTTP/1.1\r\nHost: localhost\r\n"
	framingNext    = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
)

// A request that ends at two places gets 400 and the end of its connection, whatever
// it is followed by.
func TestFraming(t *testing.T) {
	r := start(t, newServer(t, servertest.NewEngine(), Options{}))
	for _, c := range []struct {
		name, send string
		want       string // statuses of the answers
	}{
		{"length", framingRequest + "Content-Length: 28\r\n\r\n" + framingBody + framingNext, "200 200"},
		{"chunks", framingRequest + "Transfer-Encoding: chunked\r\n\r\n" + framingChunks + framingNext, "200 200"},
		{"chunks with extensions and trailers", framingRequest + "Transfer-Encoding: chunked\r\n\r\n1c;a=b\r\n" + framingBody + "\r\n0\r\nX: y\r\n\r\n" + framingNext, "200 200"},
		{"both, length first", framingRequest + "Content-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n" + framingChunks + framingNext, "400"},
		{"both, length last", framingRequest + "transfer-encoding: chunked\r\ncontent-length: 28\r\n\r\n" + framingChunks + framingNext, "400"},
		{"both, lines end with LF", "POST /classify HTTP/1.1\nHost: localhost\nContent-Length: 28\nTransfer-Encoding: chunked\n\n" + framingChunks + framingNext, "400"},
		{"both, in the second request", framingNext + framingRequest + "Content-Length: 28\r\nTransfer-Encoding: chunked\r\n\r\n" + framingChunks + framingNext, "200 400"},
		{"both, after an answer without a handler", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n" + framingRequest + "Content-Length: 28\r\nTransfer-Encoding: chunked\r\n\r\n" + framingChunks + framingNext, "404 400"},
		{"the same length twice", framingRequest + "Content-Length: 28\r\nContent-Length: 28\r\n\r\n" + framingBody + framingNext, "400"},
		{"two lengths", framingRequest + "Content-Length: 28\r\nContent-Length: 2\r\n\r\n" + framingBody + framingNext, "400"},
		{"a list of lengths", framingRequest + "Content-Length: 28, 28\r\n\r\n" + framingBody + framingNext, "400"},
		{"a length with a sign", framingRequest + "Content-Length: +28\r\n\r\n" + framingBody + framingNext, "400"},
		{"space before the colon", framingRequest + "Content-Length : 28\r\n\r\n" + framingBody + framingNext, "400"},
		{"a folded header", framingRequest + "X: a\r\n b\r\nContent-Length: 28\r\n\r\n" + framingBody + framingNext, "400"},
		{"a folded encoding", framingRequest + "Content-Length: 28\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + framingChunks + framingNext, "400"},
		{"another encoding", framingRequest + "Transfer-Encoding: gzip, chunked\r\n\r\n" + framingChunks + framingNext, "501"},
		{"a length after many zeros", framingRequest + "Content-Length: " + strings.Repeat("0", 300) + "28\r\n\r\n" + framingBody + framingNext, "400"},
		{"both, hidden by a length after many zeros", framingRequest + "Content-Length: " + strings.Repeat("0", 300) + strconv.Itoa(len(framingNext)) + "\r\n\r\n" + framingNext +
			framingRequest + "Content-Length: 28\r\nTransfer-Encoding: chunked\r\n\r\n" + framingChunks + framingNext, "400"},
		{"a chunk without a size", framingRequest + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + framingNext, "400"},
		{"a chunk longer than its size", framingRequest + "Transfer-Encoding: chunked\r\n\r\n1c\r\n" + framingBody + "x\r\n" + framingNext, "400"},
		{"encoding in HTTP/1.0", "POST /classify HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + framingChunks + framingNext, "400"},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			if got := exchange(t, r.ln.Addr().String(), c.send, size); got != c.want {
				t.Errorf("%s, in pieces of %d: %q, want %q", c.name, size, got, c.want)
			}
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// exchange sends bytes in pieces and returns the statuses of the answers.
func exchange(t *testing.T, address, send string, size int) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		for rest := send; rest != ""; {
			n := min(size, len(rest))
			if _, err := io.WriteString(conn, rest[:n]); err != nil {
				return // the server has closed the connection
			}
			rest = rest[n:]
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	var statuses []string
	in := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return strings.Join(statuses, " ")
		}
		statuses = append(statuses, answer.Status[:3])
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

// Whatever net/http reads as a request, the tracker has seen the header of, and what
// it lets pass ends where net/http ends it.
func FuzzFraming(f *testing.F) {
	f.Add([]byte(framingNext+framingRequest+"Content-Length: 28\r\n\r\n"+framingBody+framingNext), 3)
	f.Add([]byte(framingRequest+"Transfer-Encoding: chunked\r\n\r\n"+framingChunks+framingNext), 1)
	f.Add([]byte(framingRequest+"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"+framingChunks+framingNext), 100)
	f.Add([]byte("GET / HTTP/1.1\nHost: a\nX: "+strings.Repeat("long", 100)+"\n\n"), 5)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var tracker framing
		for rest := data; len(rest) > 0; {
			n := min(max(size, 1), len(rest))
			tracker.follow(rest[:n])
			rest = rest[n:]
		}
		in := bufio.NewReader(bytes.NewReader(data))
		for i := 0; ; i++ {
			q, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if i >= len(tracker.faults) {
				if tracker.state != stopped {
					t.Fatalf("request %d was not seen", i)
				}
				return // the server closes the connection after this request
			}
			if tracker.faults[i] != "" {
				return // likewise
			}
			if q.Header.Get("Content-Length") != "" && len(q.TransferEncoding) > 0 {
				t.Fatalf("request %d has both", i)
			}
			if _, err := io.Copy(io.Discard, q.Body); err != nil {
				return
			}
		}
	})
}
