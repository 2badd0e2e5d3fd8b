package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"kenserve/internal/memory"
)

// The bytes of a connection: its goroutines, the buffers of net/http, and with TLS or
// HTTP/2 those of the protocol.
const (
	plainConnectionBytes  = 20 << 10
	secureConnectionBytes = 64 << 10
)

const (
	// maxReserved connections are accepted beyond the limit. Probes are answered there, so
	// that a server whose connections are all in use is not taken for dead; other
	// requests get 429.
	maxReserved = 64
	// otherFiles are the open files that are kept for all but connections: deltas, uploads,
	// the log.
	otherFiles = 32
	// newConnectionPatience is how long a new connection may take to send its first
	// request before it counts as idle.
	newConnectionPatience = time.Second
)

// connections is a listener that bounds the open connections. When there is no room for
// one more, an idle one yields: the one that has been idle longest, of the client
// address that has the most connections. So neither many idle connections nor a single
// client shut others out.
type connections struct {
	net.Listener
	account  *memory.Account
	bytes    int64 // of one connection
	limit    int
	reserved int  // connections beyond the limit
	fewFiles bool // the limit is that of open files
	now      func() time.Time

	mu      sync.Mutex
	open    int
	yielded uint64 // closed to make room
	refused uint64 // closed at once
	clients map[string]*client
}

// client is the connections from one address.
type client struct {
	open  int
	idle  list.List // of *connection, between two requests; longest first
	fresh list.List // of *connection, without a request so far; longest first
}

// connection is an open connection.
type connection struct {
	net.Conn
	owner    *connections
	host     string
	extra    bool // accepted beyond the limit
	accepted time.Time

	// Under the owner's mutex.
	list    *list.List // of its client that it is in, or nil: it has a request
	element *list.Element
	closed  bool
}

// newConnections wraps a listener for up to limit connections, which may take half of
// the account. files is the number of files that the process may have open; a listener
// takes at most half of those that are not kept for other things, as there may be two.
func newConnections(ln net.Listener, account *memory.Account, limit int, bytes int64, files int) *connections {
	files = max(2, (files-otherFiles)/2)
	reserved := min(maxReserved, files/4)
	limit = min(limit, max(1, int(account.Limit()/2/bytes)))
	return &connections{
		Listener: ln, account: account, bytes: bytes, now: time.Now, clients: map[string]*client{},
		limit: min(limit, files-reserved), reserved: reserved, fewFiles: files-reserved < limit,
	}
}

// listen wraps a listener of the server for the connections that the options allow, and
// reports it if these are fewer because few files may be open.
func (s *Server) listen(ln net.Listener, name string, bytes int64) *connections {
	files := maxOpenFiles()
	l := newConnections(ln, s.memory, s.options.MaxConnections, bytes, files)
	if l.fewFiles {
		s.options.Logger.Warn("fewer connections are allowed than --max-connections, because few files may be open; raise their limit, for example with ulimit -n",
			"listener", name, "connections", l.limit, "open_files", files)
	}
	s.metrics.connections.Store(name, l)
	return l
}

// Accept implements [net.Listener].
func (l *connections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if noFileLeft(err) && l.yieldOne() {
				continue
			}
			return nil, err
		}
		c, victims := l.admit(conn)
		for _, v := range victims {
			_ = v.Close()
		}
		if c != nil {
			return c, nil
		}
		_ = conn.Close()
	}
}

// admit registers a connection. It returns nil if there is no room for it. The caller
// closes the victims, which yield to it: more than one if some are beyond the limit.
func (l *connections) admit(conn net.Conn) (c *connection, victims []*connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	yield := func() bool {
		victim := l.yieldLocked(host)
		if victim == nil {
			return false
		}
		victims = append(victims, victim)
		return true
	}
	for l.open >= l.limit && yield() {
	}
	c = &connection{Conn: conn, owner: l, host: host, accepted: l.now(), extra: l.open >= l.limit}
	if c.extra && l.open >= l.limit+l.reserved {
		l.refused++
		return nil, victims
	}
	full := l.account.Take(memory.Connections, l.bytes)
	if full != nil && len(victims) == 0 && yield() {
		full = l.account.Take(memory.Connections, l.bytes)
	}
	if full != nil {
		l.refused++
		return nil, victims
	}
	l.open++
	own := l.clients[c.host]
	if own == nil {
		own = new(client)
		l.clients[c.host] = own
	}
	own.open++
	c.list, c.element = &own.fresh, own.fresh.PushBack(c)
	return c, victims
}

// yieldOne closes the connection that would yield to one from an unknown host, and tells
// whether there was one.
func (l *connections) yieldOne() bool {
	l.mu.Lock()
	victim := l.yieldLocked("")
	l.mu.Unlock()
	if victim == nil {
		return false
	}
	_ = victim.Close()
	return true
}

// yieldLocked makes room for a connection from host. It returns the one that yields, which
// the caller closes, or nil.
func (l *connections) yieldLocked(host string) *connection {
	victim := l.longestIdleLocked(host)
	if victim != nil {
		l.yielded++
		l.removeLocked(victim)
	}
	return victim
}

// longestIdleLocked returns the connection that yields to a new one from host, or nil.
func (l *connections) longestIdleLocked(host string) *connection {
	var idle, fresh *client
	for _, c := range l.clients {
		if c.idle.Len() > 0 && (idle == nil || c.open > idle.open) {
			idle = c
		}
		if c.fresh.Len() > 0 && (fresh == nil || c.open > fresh.open) {
			fresh = c
		}
	}
	if idle != nil {
		return idle.idle.Front().Value.(*connection)
	}
	if fresh != nil {
		c := fresh.fresh.Front().Value.(*connection)
		// A client that keeps opening connections has only young ones. They yield to a
		// client with fewer.
		open := 1 // of the client with the new one
		if own := l.clients[host]; own != nil {
			open += own.open
		}
		if greedy := open < fresh.open; greedy || l.now().Sub(c.accepted) > newConnectionPatience {
			return c
		}
	}
	return nil
}

// removeLocked forgets a connection that is closed.
func (l *connections) removeLocked(c *connection) {
	if c.closed {
		return
	}
	c.closed = true
	if c.list != nil {
		c.list.Remove(c.element)
		c.list, c.element = nil, nil
	}
	l.open--
	own := l.clients[c.host]
	if own.open--; own.open == 0 {
		delete(l.clients, c.host)
	}
	l.account.Give(memory.Connections, l.bytes)
}

// Close closes the connection, and makes room for another one.
func (c *connection) Close() error {
	c.owner.mu.Lock()
	c.owner.removeLocked(c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// connectionOf returns the connection that net/http calls conn.
func connectionOf(conn net.Conn) *connection {
	switch outer := conn.(type) {
	case *tls.Conn:
		conn = outer.NetConn()
	case *framedConn:
		conn = outer.Conn
	}
	c, _ := conn.(*connection)
	return c
}

// changed is a hook for [http.Server.ConnState].
func (l *connections) changed(conn net.Conn, state http.ConnState) {
	c := connectionOf(conn)
	if c == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.closed {
		return
	}
	if c.list != nil && state != http.StateNew {
		c.list.Remove(c.element)
		c.list, c.element = nil, nil
	}
	if state == http.StateIdle {
		c.list = &l.clients[c.host].idle
		c.element = c.list.PushBack(c)
	}
}

// closeWrite tells the client that no more answers come. The connection may be nil.
func (c *connection) closeWrite() {
	if c == nil {
		return
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

type connectionKey struct{}

// withConnection is a hook for [http.Server.ConnContext].
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
}

// connectionIn returns the connection on which a request came, nil if it is not known.
func connectionIn(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

// onExtraConnection tells whether a request came on a connection beyond the limit.
func onExtraConnection(ctx context.Context) bool {
	c := connectionIn(ctx)
	return c != nil && c.extra
}
