package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
)

// statusBody is the wire type of the answer of a probe.
type statusBody struct {
	Status string `json:"status"`
}

// health answers GET /healthz: the process runs.
func (s *Server) health(c *gin.Context, _ *core.RequestState) error {
	route.WriteJSON(c, http.StatusOK, []byte(`{"status":"ok"}`+"\n"))
	return nil
}

// ready answers GET /readyz: the server can answer requests.
func (s *Server) ready(c *gin.Context, _ *core.RequestState) error {
	if err := s.core.Ready(); err != nil {
		return err
	}
	route.WriteJSON(c, http.StatusOK, []byte(`{"status":"ready"}`+"\n"))
	return nil
}
