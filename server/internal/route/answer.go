package route

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/internal/memory"
	"kenserve/internal/printable"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

// WriteTimeoutKey is the key, in a gin context, of the time in which a client has to
// read the answer. Then the connection is closed.
const WriteTimeoutKey = "kenserve.write-timeout"

// Write sends a whole answer. contentType is the value of the header; a slice, so
// that it is not allocated for each answer. The body is charged until the client has
// it; if there is no memory for it, the answer is 429.
func Write(c *gin.Context, status int, contentType []string, body []byte) {
	h := c.Writer.Header()
	loan := memory.LoanOf(c.Request.Context())
	if missing := int64(len(body)) - loan.Taken(memory.Answers); missing > 0 && status < http.StatusBadRequest && len(body) > smallAnswer {
		if loan.Take(memory.Answers, missing) != nil {
			status, contentType, body = http.StatusTooManyRequests, jsonType, memoryAnswer
			h["Retry-After"] = []string{"1"}
			delete(h, "Etag")
		}
	}
	if timeout := c.GetDuration(WriteTimeoutKey); timeout > 0 {
		// An error means that there is no connection, as in tests.
		_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(timeout))
	}
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Writer.WriteHeader(status)
	// An error means that the connection is broken: nobody is left to tell.
	_, _ = c.Writer.Write(body)
}

// smallAnswer is the size, in bytes, up to which an answer is sent without being charged:
// the refusal would take as much. Probes are answered so while the memory is full.
const smallAnswer = 512

// memoryAnswer is the answer instead of one for which there is no memory.
var memoryAnswer = []byte(`{"error":{"message":"too many bytes of answers are in memory, try again later","type":"overloaded","field":null}}` + "\n")

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

// retryAfter is the value of Retry-After, in whole seconds. The engine works off a
// full queue in about one, unless it has said that it needs longer.
func retryAfter(p *problem.Problem) string {
	return strconv.Itoa(max(1, int(math.Ceil(p.RetryAfter.Seconds()))))
}

// WriteProblem sends a problem in the format of an API.
func WriteProblem(c *gin.Context, p *problem.Problem, encode ErrorEncoder) {
	h := c.Writer.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = []string{"Bearer"}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h["Retry-After"] = []string{retryAfter(p)}
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
