package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

// A client that sends its whole body before it reads sees the answer, and not a
// reset connection, when the server refuses the request early.
func TestEarlyRefusalIsSeen(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{MaxBodyBytes: 10000, MaxUploadBytes: 20000, APIKeys: []string{"use"}, AdminKeys: []string{"admin"}})
	s.core.Now = time.Now // deadlines are real
	r := start(t, s)
	const size = 12 << 20
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for _, c := range []struct {
		name, line, header string
		status             int
	}{
		{"too large", "POST /classify", "X-Api-Key: use", 413},
		{"too large, Text Embeddings Inference", "POST /tei/trec/predict", "X-Api-Key: use", 413},
		{"too large as decoded", "POST /classify", "X-Api-Key: use\r\nContent-Encoding: gzip", 413},
		{"unknown encoding", "POST /classify", "X-Api-Key: use\r\nContent-Encoding: br", 415},
		{"upload too large", "PUT /tasks/mine", "X-Api-Key: admin", 413},
		{"no key", "POST /classify", "A: b", 401},
		{"no admin key", "PUT /tasks/mine", "X-Api-Key: use", 403},
		{"no route", "POST /nothing", "X-Api-Key: use", 404},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %v", c.name, chunked), func(t *testing.T) {
				if strings.Contains(c.header, "Encoding") && !chunked {
					return // too large as announced
				}
				conn, err := net.Dial("tcp", r.ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
					t.Fatal(err)
				}
				length := fmt.Sprintf("Content-Length: %d", size)
				if chunked {
					length = "Transfer-Encoding: chunked"
				}
				fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n%s\r\n\r\n", c.line, c.header, length)
				first := chunk
				if strings.Contains(c.header, "gzip") {
					first = []byte(servertest.Packed(t, strings.Repeat("y", 1<<20)))
				}
				sent := 0
				for b := first; sent < size; b = chunk {
					if chunked {
						fmt.Fprintf(conn, "%x\r\n", len(b))
						b = append(b[:len(b):len(b)], "\r\n"...)
					}
					n, err := conn.Write(b)
					sent += n
					if err != nil {
						t.Fatalf("after %d bytes: %v", sent, err)
					}
				}
				if chunked {
					io.WriteString(conn, "0\r\n\r\n")
				}
				w, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(w.Body)
				if err != nil || w.StatusCode != c.status || !bytes.Contains(body, []byte("error")) {
					t.Errorf("status %d, want %d: %s, %v", w.StatusCode, c.status, body, err)
				}
			})
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// A client that asks before it sends is refused without a "100 Continue", and may go on
// with the connection closed. A client that is allowed to send gets "100 Continue".
func TestExpectContinue(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{MaxBodyBytes: 10000})
	r := start(t, s)
	const body = `{"model":"trec","input":"a"}`
	for _, c := range []struct {
		length int
		want   string
	}{
		{20000, "HTTP/1.1 413 Request Entity Too Large"},
		{len(body), "HTTP/1.1 100 Continue"},
	} {
		conn, err := net.Dial("tcp", r.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /classify HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", c.length)
		in := bufio.NewReader(conn)
		line, err := in.ReadString('\n')
		if strings.TrimSpace(line) != c.want {
			t.Errorf("got %q (%v), want %q", line, err, c.want)
		}
		if strings.Contains(c.want, "100") {
			io.WriteString(conn, body)
			in.ReadString('\n')
			if w, err := http.ReadResponse(in, nil); err != nil || w.StatusCode != http.StatusOK {
				t.Errorf("after 100 Continue: %v, %v", w, err)
			}
		} else if rest, err := io.ReadAll(in); err != nil || bytes.Contains(rest, []byte("100 Continue")) {
			t.Errorf("after 413: %q, %v", rest, err)
		}
		conn.Close()
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// A client that never stops sending is not read for ever.
func TestDrainEnds(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{MaxBodyBytes: 10000})
	r := start(t, s)
	conn, err := net.Dial("tcp", r.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n")
	began := time.Now()
	for time.Since(began) < 2*drainTimeout+5*time.Second {
		if _, err := io.WriteString(conn, "x"); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if took := time.Since(began); took > drainTimeout+4*time.Second {
		t.Errorf("read for %v", took)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// The rest of a body that comes after the answer and a pause is not another request.
func TestLateBodyIsNoRequest(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"use"}})
	s.core.Now = time.Now // deadlines are real
	r := start(t, s)
	const next = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for _, c := range []struct{ name, begin, rest string }{
		{"length", "Content-Length: " + strconv.Itoa(len(next)) + "\r\n\r\n", next},
		{"chunks", "Transfer-Encoding: chunked\r\n\r\n", next},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", r.ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprintf(conn, "POST /classify HTTP/1.1\r\nHost: localhost\r\n%s", c.begin)
			in := bufio.NewReader(conn)
			w, err := http.ReadResponse(in, nil)
			if err != nil || w.StatusCode != http.StatusUnauthorized {
				t.Fatalf("%v, %v, want status 401", w, err)
			}
			_, _ = io.Copy(io.Discard, w.Body)
			time.Sleep(drainPause + 500*time.Millisecond)
			_, _ = io.WriteString(conn, c.rest)
			if w, err := http.ReadResponse(in, nil); err == nil {
				t.Errorf("another answer: %s", w.Status)
			}
		})
	}
}
