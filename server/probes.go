package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// health answers GET /healthz: the process runs and serves.
func (s *Server) health(c *gin.Context, _ *exchange) error {
	writeJSON(c, http.StatusOK, []byte(`{"status":"ok"}`+"\n"))
	return nil
}

// ready answers GET /readyz: requests sent here can be answered. Why not is for
// the log alone, since it may name files.
func (s *Server) ready(c *gin.Context, _ *exchange) error {
	if s.draining.Load() {
		return unavailable(errShutdown, "the server is shutting down")
	}
	if err := s.engine.Ready(); err != nil {
		return unavailable(err, "the engine is not ready")
	}
	writeJSON(c, http.StatusOK, []byte(`{"status":"ready"}`+"\n"))
	return nil
}
