package server

import (
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// A server that refuses a request early and closes the connection while the client
// still sends makes the client's system discard the answer: the client sees "connection
// reset" instead of 413. So the server first reads and discards what still comes,
// within bounds. Go's own server does so for up to 256 KiB, before it sends the answer.
const (
	drainBytes   = 64 << 20        // of one body
	drainTimeout = 5 * time.Second // for all of them
	drainPause   = time.Second     // without any byte
	unreadKey    = "kenserve.unread"
)

// expectUnread prepares a request for an answer before its body was read. It must be
// called before the answer is written.
func expectUnread(c *gin.Context) {
	r := c.Request
	if r.ProtoMajor != 1 || r.Body == nil || r.Body == http.NoBody {
		return // HTTP/2 ends the stream, not the connection
	}
	// Without this, the first write of the answer closes the body.
	if http.NewResponseController(c.Writer).EnableFullDuplex() == nil {
		c.Set(unreadKey, true)
	}
}

// drain is a middleware around all others. It reads the rest of a body that was not
// read, after the answer was sent and recorded.
func drain(c *gin.Context) {
	c.Next()
	if !c.GetBool(unreadKey) {
		return
	}
	control := http.NewResponseController(c.Writer)
	if control.Flush() != nil {
		return
	}
	end := time.Now().Add(drainTimeout)
	for left := int64(drainBytes); left > 0; {
		now := time.Now()
		pause := now.Add(drainPause)
		if pause.After(end) {
			pause = end
		}
		if !now.Before(end) || control.SetReadDeadline(pause) != nil {
			return
		}
		n, err := io.CopyN(io.Discard, c.Request.Body, min(left, 256<<10))
		left -= n
		if err != nil {
			return
		}
	}
}
