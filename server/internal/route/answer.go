package route

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/internal/printable"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

// Write sends a whole answer. contentType is the value of the header; a slice, so
// that it is not allocated for each answer.
func Write(c *gin.Context, status int, contentType []string, body []byte) {
	h := c.Writer.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Writer.WriteHeader(status)
	// An error means that the connection is broken: nobody is left to tell.
	_, _ = c.Writer.Write(body)
}

var jsonType = []string{"application/json"}

// WriteJSON sends an answer that is JSON already.
func WriteJSON(c *gin.Context, status int, body []byte) {
	Write(c, status, jsonType, body)
}

// Marshal sends v as JSON with status 200.
func Marshal(c *gin.Context, v any) error { return MarshalStatus(c, http.StatusOK, v) }

// MarshalStatus sends v as JSON.
func MarshalStatus(c *gin.Context, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return problem.Internal(fmt.Errorf("encode %T: %w", v, err), "internal error")
	}
	WriteJSON(c, status, append(printable.AppendJSON(nil, string(b)), '\n'))
	return nil
}

// retryAfter is the value of Retry-After, in seconds. The engine works off a full
// queue in about that time.
const retryAfter = "1"

// WriteProblem sends a problem in the format of an API.
func WriteProblem(c *gin.Context, p *problem.Problem, encode ErrorEncoder) {
	h := c.Writer.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = []string{"Bearer"}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h["Retry-After"] = []string{retryAfter}
	case http.StatusUnsupportedMediaType:
		h["Accept-Encoding"] = []string{"gzip, deflate"}
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		// The server does not read the rest of the body.
		h["Connection"] = []string{"close"}
	}
	status, body := encode(p)
	WriteJSON(c, status, body)
}

// WriteCost sets the headers with the cost of an answer, and the deltas that made it.
func WriteCost(c *gin.Context, state *core.RequestState) {
	h := c.Writer.Header()
	h["X-Queue-Time-Ms"] = []string{Milliseconds(state.Queue)}
	h["X-Inference-Time-Ms"] = []string{Milliseconds(state.Inference)}
	h["X-Tokens"] = []string{strconv.Itoa(state.Tokens)}
	if len(state.Digests) > 0 {
		h["X-Kenserve-Delta"] = []string{state.Deltas()}
	}
}

// Milliseconds formats d in milliseconds with three decimals.
func Milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 3, 64)
}
