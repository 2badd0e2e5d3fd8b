package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol): a
// browser lets a page of another origin read answers only if they allow that origin.
// Cookies are never used, so no answer allows credentials.

const (
	allowedMethods = "GET, HEAD, POST, PUT, DELETE"
	allowedHeaders = "authorization, content-type, content-encoding, x-api-key, x-request-id, x-kenserve-task, inference-header-content-length"
	exposedHeaders = "x-request-id, x-queue-time-ms, x-inference-time-ms, x-tokens, x-kenserve-delta, retry-after, inference-header-content-length"
	preflightAge   = "600" // seconds for which a browser remembers the answer
)

// checkOrigins returns an error unless every origin is "*" or a scheme and a host, as
// browsers send them.
func checkOrigins(origins []string) error {
	for _, origin := range origins {
		if origin == "*" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.Contains(u.Host, "*") || u.Scheme+"://"+u.Host != origin {
			return fmt.Errorf("server: CORS origin %q must be a scheme and a host, such as https://app.example.com, or *", origin)
		}
	}
	return nil
}

// cors is a middleware that allows the origins of the options. It answers preflight
// requests, which never carry a key, before keys are checked.
func (s *Server) cors(c *gin.Context) {
	origins := s.rules.Load().origins
	if len(origins) == 0 {
		return
	}
	h := c.Writer.Header()
	h.Add("Vary", "Origin")
	origin := c.GetHeader("Origin")
	switch {
	case origin == "":
		return
	case slices.Contains(origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	case slices.Contains(origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		return // without the header the browser refuses
	}
	if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", preflightAge)
		c.AbortWithStatus(http.StatusNoContent)
		return
	}
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
}
