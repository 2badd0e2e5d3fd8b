package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// cors lets pages of other origins call the server from a browser (the Fetch
// standard, "CORS protocol"). Without origins it is off: browsers refuse such calls.
type cors struct {
	origins []string // as browsers send them; "*": all
}

// checkOrigins returns an error for an origin that no browser sends.
func checkOrigins(origins []string) error {
	for _, origin := range origins {
		if origin == "*" || origin == "null" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.Contains(u.Host, "*") || strings.ToLower(origin) != u.Scheme+"://"+strings.ToLower(u.Host) {
			return fmt.Errorf("server: CORS origin %q must be * or scheme://host[:port], without a path, such as https://example.org", origin)
		}
	}
	return nil
}

// The headers that a page may send and read beyond those that every page may.
const (
	corsRequestHeaders = "Authorization, Content-Type, Content-Encoding, X-Api-Key, X-Request-Id, Inference-Header-Content-Length"
	corsAnswerHeaders  = "X-Request-Id, X-Queue-Time-Ms, X-Inference-Time-Ms, X-Tokens, Retry-After, Inference-Header-Content-Length"
	corsMaxAge         = "600" // seconds that a browser keeps the answer of a preflight request
)

// handle is a middleware. It adds the headers for pages of allowed origins and answers
// preflight requests, which carry no key. Cookies are not used, so credentials are not
// allowed: a page sends a key in a header.
func (x cors) handle(c *gin.Context) {
	h := c.Writer.Header()
	h.Add("Vary", "Origin")
	origin := c.Request.Header.Get("Origin")
	if origin == "" || !x.allows(origin) {
		return
	}
	if slices.Contains(x.origins, "*") {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	// The page of the other origin may read the answer in spite of its own policy.
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if c.Request.Method != http.MethodOptions || c.Request.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", corsAnswerHeaders)
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", corsRequestHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	c.AbortWithStatus(http.StatusNoContent)
}

func (x cors) allows(origin string) bool {
	return slices.ContainsFunc(x.origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) })
}
