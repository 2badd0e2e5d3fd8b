package server

import (
	"errors"
	"io"
	"net/http"
	"os"
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
	// closeDelay is the time for a client to read the answer before the connection is
	// closed for both sides. It is that of net/http.
	closeDelay = 500 * time.Millisecond
	unreadKey  = "kenserve.unread"
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
// read, after the answer was sent and recorded. If the end of the body is not found, it
// ends the connection: net/http would take the rest for another request, since the
// answer was sent before the body was read. Then whoever wrote the body could ask in the
// name of the next caller of a proxy in front.
func drain(c *gin.Context) {
	c.Next()
	if !c.GetBool(unreadKey) {
		return
	}
	if err := readRest(c); err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			// The client may still send. Then closing at once would discard the answer.
			connectionIn(c.Request.Context()).closeWrite()
			time.Sleep(closeDelay)
		}
		panic(http.ErrAbortHandler) // net/http closes the connection, and logs nothing
	}
}

// readRest reads the body of a request to its end. It returns an error if it does not
// find the end within the bounds.
func readRest(c *gin.Context) error {
	control := http.NewResponseController(c.Writer)
	if err := control.Flush(); err != nil {
		return err
	}
	end := time.Now().Add(drainTimeout)
	for left := int64(drainBytes); left > 0; {
		now := time.Now()
		pause := now.Add(drainPause)
		if pause.After(end) {
			pause = end
		}
		if !now.Before(end) {
			return errEndless
		}
		if err := control.SetReadDeadline(pause); err != nil {
			return err
		}
		n, err := io.CopyN(io.Discard, c.Request.Body, min(left, 256<<10))
		if err == io.EOF {
			return nil
		}
		if left -= n; err != nil {
			return err
		}
	}
	return errEndless
}

// errEndless means that a body has more bytes, or takes longer, than the bounds allow.
var errEndless = errors.New("the body does not end")
