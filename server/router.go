package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// routes lays the operations out.
func (s *Server) routes() {
	r := s.router
	// A path is what it is: no redirects to what the client might have meant,
	// and no addresses taken from headers that anyone may send.
	r.RedirectTrailingSlash = false
	r.ForwardedByClientIP = false
	r.HandleMethodNotAllowed = true
	r.Use(s.observe, s.authorize)
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

// operation is the one that a request is for, empty if there is none. What is
// asked of it here is the same for all methods of a path.
func (s *Server) operation(c *gin.Context) *route.Operation {
	if op := s.byPath[c.FullPath()]; op != nil {
		return op
	}
	return new(route.Operation)
}

func noRoute(*gin.Context, *core.RequestState) error {
	return problem.NoRoute()
}

// noMethod answers for a path that has other methods; gin has set Allow.
func noMethod(c *gin.Context, _ *core.RequestState) error {
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		return nil
	}
	return &problem.Problem{
		Status: http.StatusMethodNotAllowed, Kind: problem.KindMethod,
		Message: "this route does not have that method, see the header Allow",
	}
}
