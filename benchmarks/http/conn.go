package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// conn is one HTTP/1.1 connection, as little of it as costs the least: requests
// are bytes made in advance, of an answer the status is kept.
type conn struct {
	address string
	c       net.Conn
	r       *bufio.Reader
	engine  time.Duration // that the last answer says the engine took
}

// errUnanswered is a connection that ended before the first byte of an answer.
var errUnanswered = errors.New("no answer")

// patience bounds one exchange; the server's own limits are shorter.
const patience = 2 * time.Minute

// do sends a request and reads its answer to the end, dialling first if need be.
func (c *conn) do(ctx context.Context, request []byte) (status int, err error) {
	if c.c == nil {
		if c.c, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.address); err != nil {
			return 0, err
		}
		c.r = bufio.NewReaderSize(c.c, 2048)
	}
	again := false
	defer func() {
		if err != nil || !again {
			c.close()
		}
	}()
	if err := c.c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := c.c.Write(request); err != nil {
		return 0, fmt.Errorf("%w: %w", errUnanswered, err)
	}
	if _, err := c.r.Peek(1); err != nil {
		return 0, fmt.Errorf("%w: %w", errUnanswered, err)
	}
	row, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(row) < 12 || !bytes.HasPrefix(row, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("not an answer: %q", row)
	}
	if status, err = strconv.Atoi(string(row[9:12])); err != nil {
		return 0, fmt.Errorf("not a status: %q", row)
	}
	again = true
	length := -1
	c.engine = 0
	for {
		if row, err = c.r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if row = bytes.TrimRight(row, "\r\n"); len(row) == 0 {
			break
		}
		name, value, _ := bytes.Cut(row, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, fmt.Errorf("not a length: %q", row)
			}
		case bytes.EqualFold(name, []byte("X-Queue-Time-Ms")), bytes.EqualFold(name, []byte("X-Inference-Time-Ms")):
			ms, err := strconv.ParseFloat(string(value), 64)
			if err != nil {
				return 0, fmt.Errorf("not a time: %q", row)
			}
			c.engine += time.Duration(ms * float64(time.Millisecond))
		case bytes.EqualFold(name, []byte("Connection")):
			again = !bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 {
		return 0, errors.New("an answer without a length")
	}
	_, err = c.r.Discard(length)
	return status, err
}

func (c *conn) close() {
	if c.c != nil {
		_ = c.c.Close()
		c.c, c.r = nil, nil
	}
}
