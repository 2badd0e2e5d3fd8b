package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/openapi"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// openAPI answers GET /openapi.json.
func (s *Server) openAPI(c *gin.Context, _ *core.RequestState) error {
	body, err := s.rules.Load().openAPIJSON()
	if err != nil {
		return problem.Internal(err, "internal error")
	}
	route.WriteJSON(c, http.StatusOK, body)
	return nil
}

var htmlType = []string{"text/html; charset=utf-8"}

// docs answers GET /docs.
func (s *Server) docs(c *gin.Context, _ *core.RequestState) error {
	page, err := s.rules.Load().docsPage()
	if err != nil {
		return problem.Internal(err, "internal error")
	}
	c.Writer.Header()["Content-Security-Policy"] = openapi.PagePolicy
	route.Write(c, http.StatusOK, htmlType, page)
	return nil
}
