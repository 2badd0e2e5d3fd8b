package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/internal/memory"
	"kenserve/server/internal/problem"
)

// requestBytes is what a request takes beside its header, body and answer: its
// goroutine, its state and its contexts.
const requestBytes = 12 << 10

// headerBytes is what the header of a request takes: its text, and the map of its
// fields.
func headerBytes(h http.Header) int64 {
	sum := int64(0)
	for name, values := range h {
		sum += 64 + int64(len(name))
		for _, v := range values {
			sum += 32 + int64(len(v))
		}
	}
	return sum
}

// admit is the middleware that takes the memory which every request needs. Probes need
// no permission: they are answered always.
func (s *Server) admit(c *gin.Context) {
	if op := s.operation(c); op.Open || op.Polled {
		return
	}
	if refused := s.refuseBusy(c.Request); refused != nil {
		s.writeProblem(c, stateOf(c), refused)
		c.Abort()
	}
}

// refuseBusy takes the memory that a request needs before its body is read. It returns
// why the request is refused, or nil.
func (s *Server) refuseBusy(r *http.Request) *problem.Problem {
	if onExtraConnection(r.Context()) {
		return problem.Overloaded("too many connections are open, try again later")
	}
	if err := memory.LoanOf(r.Context()).Take(memory.Requests, requestBytes+headerBytes(r.Header)); err != nil {
		return problem.Memory(err)
	}
	return nil
}
