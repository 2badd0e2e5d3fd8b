package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Limits of a request. A hub may accept connections and then say nothing.
const (
	connectTimeout = 10 * time.Second // for a connection, and again for its encryption
	// defaultSilence is the longest wait for the next bytes of an answer. It is
	// that of Hugging Face's libraries.
	defaultSilence = 10 * time.Second
)

// newHTTPClient returns a client that gives up on servers that do not accept
// connections.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: connectTimeout}).DialContext
	t.TLSHandshakeTimeout = connectTimeout
	return &http.Client{Transport: t}
}

// seconds returns the duration in an environment variable, in whole seconds.
func seconds(name string, byDefault time.Duration) time.Duration {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 && n <= 86400 {
		return time.Duration(n) * time.Second
	}
	return byDefault
}

// private tells whether nobody on the way can read what is sent to an address: it is
// encrypted, or stays on this machine.
func private(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// redirect decides about a redirection of a request to the hub at the address from: it
// returns an error if it must not be followed. The token goes only to where the first
// request went: same scheme, host and port.
func redirect(next *http.Request, via []*http.Request) error {
	from, last := via[0], via[len(via)-1]
	switch {
	case len(via) >= 10:
		return errors.New("too many redirections")
	case last.URL.Scheme == "https" && next.URL.Scheme != "https":
		// Names and digests would come from anybody on the way.
		return fmt.Errorf("%w: https to %s", errDowngrade, next.URL.Scheme)
	case next.URL.Host == from.URL.Host && next.URL.Scheme == from.URL.Scheme:
		return nil
	case next.Method == http.MethodHead:
		// Digest and size are in the hub's own headers, not in those of the storage host.
		return http.ErrUseLastResponse
	}
	next.Header.Del("Authorization") // net/http would keep it for another port of the same host
	next.Header.Del("Referer")
	return nil
}

// errDowngrade means that a redirection leads to a connection that is not encrypted.
var errDowngrade = errors.New("a redirection that must not be followed")

// errSilent means that the hub sent nothing for too long.
var errSilent = errors.New("the hub sends nothing")

// watchdog cancels a request if neither its header nor its next bytes arrive within a
// time.
type watchdog struct {
	timer *time.Timer
	limit time.Duration
	stop  context.CancelFunc
}

// watch returns a context for a request, and its watchdog.
func watch(ctx context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	silent := fmt.Errorf("%w for %s", errSilent, limit)
	return ctx, &watchdog{time.AfterFunc(limit, func() { cancel(silent) }), limit, func() { cancel(nil) }}
}

// end ends the request.
func (w *watchdog) end() {
	w.timer.Stop()
	w.stop()
}

// watchedBody is the body of a watched request.
type watchedBody struct {
	io.ReadCloser
	ctx      context.Context
	watchdog *watchdog
}

// Read implements io.Reader. The error of a silent hub wraps errSilent.
func (b watchedBody) Read(p []byte) (int, error) {
	b.watchdog.timer.Reset(b.watchdog.limit)
	n, err := b.ReadCloser.Read(p)
	b.watchdog.timer.Stop() // the caller may take its time
	if err != nil && err != io.EOF {
		err = because(b.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.watchdog.end()
	return err
}

// because returns the cause for which the context of a request has ended, if it has,
// else the request's error. The address in it has no query, which may hold a signature.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		return cause
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		if u, err := url.Parse(failed.URL); err == nil {
			u.RawQuery, u.User = "", nil
			return fmt.Errorf("%s %s: %w", failed.Op, u, failed.Err)
		}
	}
	return err
}
