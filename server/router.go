package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// routes makes the routes from the table of operations.
func (s *Server) routes() {
	r := s.router
	// Do not redirect to a similar path, and do not take the client's address from a
	// header that every client can send.
	r.RedirectTrailingSlash = false
	r.ForwardedByClientIP = false
	r.HandleMethodNotAllowed = true
	r.Use(follow, drain, s.cors, s.observe, s.framing, s.guard, s.authorize, s.admit)
	r.NoRoute(s.handle(noRoute))
	r.NoMethod(s.handle(noMethod))

	s.table = s.apis()
	s.byPath = map[string]*route.Operation{}
	for _, op := range s.table.Operations() {
		s.byPath[op.Path] = &op
		handler := op.Raw
		if f := op.Handle; f != nil {
			if op.Admin {
				f = s.admin(f)
			}
			handler = s.handle(f)
		}
		r.Handle(op.Method, op.Path, handler)
		if op.Method == http.MethodGet {
			r.HEAD(op.Path, handler)
		}
	}
}

// operation returns the operation of a request's path, an empty one without a route.
// The path may have several operations: Open and Polled are the same for all.
func (s *Server) operation(c *gin.Context) *route.Operation {
	if op := s.byPath[c.FullPath()]; op != nil {
		return op
	}
	return new(route.Operation)
}

// noRoute answers requests for a path without a route.
func noRoute(*gin.Context, *core.RequestState) error {
	return problem.NoRoute()
}

// noMethod answers requests for a path that has other methods. gin has set Allow.
func noMethod(c *gin.Context, _ *core.RequestState) error {
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		return nil
	}
	return &problem.Problem{
		Status: http.StatusMethodNotAllowed, Kind: problem.KindMethod,
		Message: "the route does not have this method; the header Allow has its methods",
	}
}
