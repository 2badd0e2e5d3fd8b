package server

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kenserve/internal/memory"
	"kenserve/server/internal/servertest"
)

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.from), Port: 1} }
func (c *fakeConn) Close() error         { c.closed = true; return nil }

// TestConnectionsYield plays events on the connections of a listener with a limit of 3.
func TestConnectionsYield(t *testing.T) {
	for _, c := range []struct {
		name   string
		events string // NAME@ADDRESS opens a connection; busy, idle NAME; wait
		closed string // the connections that yielded
		extra  string // those that are beyond the limit
	}{
		{"room for all", "a@1.1.1.1, idle a, b@1.1.1.1, c@1.1.1.2", "", ""},
		{"the longest idle yields", "a@1.1.1.1, b@1.1.1.1, idle b, idle a, c@1.1.1.2, d@1.1.1.3", "b", ""},
		{"of the address with the most connections", "a@1.1.1.1, idle a, b@1.1.1.2, idle b, c@1.1.1.2, d@1.1.1.3", "b", ""},
		{"a busy one does not yield", "a@1.1.1.1, busy a, b@1.1.1.1, busy b, c@1.1.1.1, idle c, d@1.1.1.2", "c", ""},
		{"all are busy", "a@1.1.1.1, busy a, b@1.1.1.1, busy b, c@1.1.1.1, busy c, d@1.1.1.2", "", "d"},
		{"one that was busy is idle again", "a@1.1.1.1, busy a, idle a, busy a, idle a, b@1.1.1.1, busy b, c@1.1.1.1, busy c, d@1.1.1.2", "a", ""},
		{"a new one has a moment for its first request", "a@1.1.1.1, b@1.1.1.1, c@1.1.1.1, d@1.1.1.1", "", "d"},
		{"but yields to an address with fewer", "a@1.1.1.1, b@1.1.1.1, c@1.1.1.1, d@1.1.1.2", "a", ""},
		{"not to one with as many", "a@1.1.1.1, b@1.1.1.2, c@1.1.1.3, d@1.1.1.4", "", "d"},
		{"then it yields", "a@1.1.1.1, b@1.1.1.1, c@1.1.1.1, wait, d@1.1.1.2", "a", ""},
		{"after an idle one", "a@1.1.1.1, b@1.1.1.1, c@1.1.1.1, idle c, wait, d@1.1.1.2", "c", ""},
		{"as many as are beyond the limit, too", "a@1.1.1.1, b@1.1.1.1, c@1.1.1.1, d@1.1.1.1, wait, e@1.1.1.2", "a b", "d"},
		{"a closed one makes room", "a@1.1.1.1, b@1.1.1.1, c@1.1.1.1, close a, d@1.1.1.2", "a", ""},
	} {
		now := time.Unix(0, 0)
		account := memory.New(1 << 20)
		l := newConnections(nil, account, 3, 1000, math.MaxInt)
		l.now = func() time.Time { return now }
		conns := map[string]*connection{}
		for event := range strings.SplitSeq(c.events, ", ") {
			now = now.Add(time.Millisecond)
			if name, from, ok := strings.Cut(event, "@"); ok {
				conn, victims := l.admit(&fakeConn{from: from})
				for _, v := range victims {
					_ = v.Close()
				}
				conns[name] = conn
				continue
			}
			verb, name, _ := strings.Cut(event, " ")
			switch verb {
			case "busy":
				l.changed(conns[name], http.StateActive)
			case "idle":
				l.changed(conns[name], http.StateIdle)
			case "close":
				_ = conns[name].Close()
			case "wait":
				now = now.Add(2 * newConnectionPatience)
			}
		}
		var closed, extra []string
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			conn := conns[name]
			if conn == nil {
				continue
			}
			if conn.Conn.(*fakeConn).closed {
				closed = append(closed, name)
			}
			if conn.extra {
				extra = append(extra, name)
			}
			_ = conn.Close()
			_ = conn.Close() // counts once
		}
		if strings.Join(closed, " ") != c.closed || strings.Join(extra, " ") != c.extra {
			t.Errorf("%s: closed %v, want %q; beyond the limit %v, want %q", c.name, closed, c.closed, extra, c.extra)
		}
		if l.open != 0 || len(l.clients) != 0 || account.Used() != 0 {
			t.Errorf("%s: at the end %d are open, from %d addresses, with %d bytes", c.name, l.open, len(l.clients), account.Used())
		}
	}
}

// Beyond the reserve, connections are closed at once.
func TestConnectionsRefused(t *testing.T) {
	account := memory.New(1 << 30)
	l := newConnections(nil, account, 2, 1000, math.MaxInt)
	for i := range 2 + maxReserved {
		c, _ := l.admit(&fakeConn{from: "1.1.1.1"})
		if c == nil || c.extra != (i >= 2) {
			t.Fatalf("connection %d: %+v", i, c)
		}
		l.changed(c, http.StateActive)
	}
	if c, _ := l.admit(&fakeConn{from: "1.1.1.1"}); c != nil || l.refused != 1 {
		t.Errorf("one more: %+v, %d refused", c, l.refused)
	}
}

// TestConnectionLimit: connections take at most half of the memory of requests, and at most
// half of the files that are not kept for other things.
func TestConnectionLimit(t *testing.T) {
	for _, test := range []struct {
		memory                 int64
		files, limit, reserved int
		fewFiles               bool
	}{
		{1 << 30, math.MaxInt, 4096, 64, false},
		{1 << 20, math.MaxInt, 25, 64, false},
		{1 << 30, 1 << 20, 4096, 64, false},
		{1 << 30, 1024, 432, 64, true},
		{1 << 20, 1024, 25, 64, false},
		{1 << 30, 64, 12, 4, true},
		{1 << 30, 16, 2, 0, true},
	} {
		l := newConnections(nil, memory.New(test.memory), 4096, plainConnectionBytes, test.files)
		if l.limit != test.limit || l.reserved != test.reserved || l.fewFiles != test.fewFiles {
			t.Errorf("%+v: limit %d, reserved %d, few files %v", test, l.limit, l.reserved, l.fewFiles)
		}
	}
}

// fullListener is a listener of a process with too many open files, until a connection is
// closed.
type fullListener struct {
	net.Listener
	idle *fakeConn
}

func (l fullListener) Accept() (net.Conn, error) {
	if !l.idle.closed {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return &fakeConn{from: "2.2.2.2"}, nil
}

// TestConnectionsWithoutFiles: an idle connection yields if no file is left for a new one.
func TestConnectionsWithoutFiles(t *testing.T) {
	idle := &fakeConn{from: "1.1.1.1"}
	l := newConnections(fullListener{idle: idle}, memory.New(1<<30), 100, 1000, math.MaxInt)
	c, _ := l.admit(idle)
	l.changed(c, http.StateActive)
	if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("while it has a request: %v", err)
	}
	l.changed(c, http.StateIdle)
	if _, err := l.Accept(); err != nil || l.yielded != 1 {
		t.Errorf("while it is idle: %v, %d yielded", err, l.yielded)
	}
}

// With all connections busy, probes and metrics are answered, and other requests are
// refused. Idle connections yield.
func TestMaxConnections(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{MaxConnections: 2, DrainTimeout: time.Millisecond})
	r := start(t, s)
	ask := func(text string) net.Conn {
		c, err := net.Dial("tcp", r.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		return c
	}
	status := func(c net.Conn) (code int) {
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fscanf(c, "HTTP/1.1 %d", &code)
		return code
	}
	const begun = "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }
	ask(begun)
	second := ask(begun)
	for deadline := time.Now().Add(10 * time.Second); s.memory.Used() < 2*(plainConnectionBytes+requestBytes) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/tasks": 429} {
		c := ask(get(path))
		if got := status(c); got != want {
			t.Errorf("%s on a further connection: status %d, want %d", path, got, want)
		}
		c.Close()
	}
	second.Close()
	var third int
	for range 100 { // until the server has seen that the second is closed
		c := ask(get("/tasks"))
		third = status(c)
		if third == 200 {
			break
		}
		c.Close()
		time.Sleep(10 * time.Millisecond)
	}
	if third != 200 {
		t.Errorf("after one was closed: status %d", third)
	}
	// The third is idle now.
	if got := status(ask(get("/tasks"))); got != 200 {
		t.Errorf("in place of an idle one: status %d", got)
	}
	_ = r.stop() // aborts the first
}

// Many small requests that fill the account leave room for connections, so that probes are
// answered. When that is used up too, idle connections yield.
func TestConnectionsWhileMemoryIsFull(t *testing.T) {
	account := memory.New(64 << 10)
	l := newConnections(nil, account, 100, 1000, math.MaxInt)
	for account.Take(memory.Requests, 100) == nil {
	}
	var open []*connection
	for i := range 3 {
		c, victims := l.admit(&fakeConn{from: "1.1.1.1"})
		if i == 2 && !slices.Equal(victims, open[:1]) || i < 2 && victims != nil || c == nil {
			t.Fatalf("connection %d: %v, victims %v", i, c, victims)
		}
		l.changed(c, http.StateActive)
		l.changed(c, http.StateIdle)
		open = append(open, c)
	}
}
