package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/problem"
)

// A web page can reach servers that only its visitor's machine reaches. Two checks
// keep pages of other sites out.
//
// DNS rebinding: the name of the page's site gets the address 127.0.0.1, and then the
// browser lets the page read answers of the server there, as if they came from its
// site. The request still has the site's name in its Host. So a listener on a
// loopback address answers only to loopback names and to Options.AllowedHosts. A name
// in the request's target counts instead of Host (RFC 9112, 3.2.2); net/http does
// that.
//
// Cross-site requests: a page may send a POST to any server, though it cannot read
// the answer. Requests that may change something or cost computation are refused if
// the browser says that they come from a page of another origin that
// Options.CORSOrigins does not have.

// allowedHosts are the names of Options.AllowedHosts.
type allowedHosts struct {
	names []string // in lower case
	any   bool
}

func newAllowedHosts(names []string) (allowedHosts, error) {
	var a allowedHosts
	for _, name := range names {
		if name == "*" {
			a.any = true
			continue
		}
		u, err := url.Parse("http://" + name)
		if _, addrErr := netip.ParseAddr(name); addrErr != nil && (err != nil || name == "" || u.Host != name || u.Port() != "" || strings.Contains(name, "*") || strings.HasSuffix(name, ":")) {
			return a, fmt.Errorf("server: allowed host %q must be a host name or an address without port, such as kenserve.example.com, or *", name)
		}
		a.names = append(a.names, hostName(name))
	}
	return a, nil
}

// allow tells whether a request to a listener may be addressed to host, which may
// have a port.
func (a *allowedHosts) allow(host string, loopback bool) bool {
	// Without Host a request is no browser's: HTTP/1.0 probes send none.
	if a.any || host == "" || !loopback && len(a.names) == 0 {
		return true
	}
	name := hostName(host)
	if name == "localhost" || slices.Contains(a.names, name) {
		return true
	}
	address, err := netip.ParseAddr(name)
	// An address cannot be rebound. Outside of loopback any may be the server's.
	return err == nil && (!loopback || address.Unmap().IsLoopback())
}

// hostName returns the name or address in a Host, without port, brackets and the dot
// at the end, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

type loopbackKey struct{}

// onListener returns a context for requests to a listener, which says whether it has a
// loopback address.
func onListener(ctx context.Context, ln net.Listener) context.Context {
	return context.WithValue(ctx, loopbackKey{}, isLoopback(ln))
}

func isLoopback(ln net.Listener) bool {
	address, err := netip.ParseAddrPort(ln.Addr().String())
	return err == nil && address.Addr().Unmap().IsLoopback()
}

// refuseHost returns the problem of a request that is addressed to a name that is not
// the server's, or nil.
func (r *rules) refuseHost(host string, loopback bool) *problem.Problem {
	if r.hosts.allow(host, loopback) {
		return nil
	}
	return &problem.Problem{
		Status: http.StatusForbidden, Kind: problem.KindForbidden,
		Message: "the server does not answer to the host " + problem.Quote(host) + "; --allowed-host adds a name",
	}
}

// newProtection returns the check of requests that pages of other origins send; nil
// for "*", with which all may.
func newProtection(origins []string) (*http.CrossOriginProtection, error) {
	if slices.Contains(origins, "*") {
		return nil, nil
	}
	p := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("server: CORS origin %q: %w", origin, err)
		}
	}
	return p, nil
}

// refusePage returns the problem of a request that a page of another origin sends
// without being allowed to, or nil.
func (r *rules) refusePage(request *http.Request) *problem.Problem {
	if r.pages == nil || r.pages.Check(request) == nil {
		return nil
	}
	return &problem.Problem{
		Status: http.StatusForbidden, Kind: problem.KindForbidden,
		Message: "a page of another origin must not send this request; --cors-origin allows an origin",
	}
}

// refuse returns the problem of a request from where the server does not answer, or
// nil.
func (r *rules) refuse(request *http.Request) *problem.Problem {
	// Without the value the listener is another server's; see Server.Handler.
	if loopback, ok := request.Context().Value(loopbackKey{}).(bool); ok {
		if p := r.refuseHost(request.Host, loopback); p != nil {
			return p
		}
	}
	return r.refusePage(request)
}

// guard is the middleware that refuses requests for other hosts, and of pages of
// other origins.
func (s *Server) guard(c *gin.Context) {
	if refused := s.rules.Load().refuse(c.Request); refused != nil {
		s.writeProblem(c, stateOf(c), refused)
		c.Abort()
	}
}
