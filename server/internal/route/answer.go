package route

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

var (
	jsonType = []string{"application/json"}
)

func WriteJSON(c *gin.Context, status int, body []byte) {
	Write(c, status, jsonType, body)
}

// Write sends a whole answer of a type.
func Write(c *gin.Context, status int, contentType []string, body []byte) {
	h := c.Writer.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Writer.WriteHeader(status)
	// The error would be the connection's, which there is nobody left to tell.
	_, _ = c.Writer.Write(body)
}

// WriteProblem sends a problem in the shape of its API.
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
		// The rest of the body is not going to be read.
		h["Connection"] = []string{"close"}
	}
	status, body := encode(p)
	WriteJSON(c, status, body)
}

// WriteCost sets the headers that tell what an answer cost.
func WriteCost(c *gin.Context, state *core.RequestState) {
	h := c.Writer.Header()
	h["X-Queue-Time-Ms"] = []string{Milliseconds(state.Queue)}
	h["X-Inference-Time-Ms"] = []string{Milliseconds(state.Inference)}
	h["X-Tokens"] = []string{strconv.Itoa(state.Tokens)}
}

// Milliseconds writes d with microseconds as decimals.
func Milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 3, 64)
}

// retryAfter is the value of Retry-After, in seconds. The queue is bounded to
// what the engine clears in about that time.
const retryAfter = "1"

func Marshal(c *gin.Context, v any) error { return MarshalStatus(c, http.StatusOK, v) }

func MarshalStatus(c *gin.Context, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return problem.Internal(fmt.Errorf("encode %T: %w", v, err), "internal error")
	}
	WriteJSON(c, status, append(b, '\n'))
	return nil
}
