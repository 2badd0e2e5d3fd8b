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

// conn is one HTTP/1.1 connection that uses as little processor time as possible:
// requests are bytes that were made in advance, and only the status of an answer is
// kept.
type conn struct {
	address string
	c       net.Conn
	r       *bufio.Reader
	engine  time.Duration // queue and forward pass, from the headers of the last answer
}

// errUnanswered means that the connection ended before the first byte of an answer.
var errUnanswered = errors.New("no answer")

// timeout bounds one request and its answer; the server's own limits are shorter.
const timeout = 2 * time.Minute

// do sends a request and reads its whole answer. It dials first if there is no
// connection.
func (c *conn) do(ctx context.Context, request []byte) (status int, err error) {
	if c.c == nil {
		if c.c, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.address); err != nil {
			return 0, err
		}
		c.r = bufio.NewReaderSize(c.c, 2048)
	}
	reusable := false
	defer func() {
		if err != nil || !reusable {
			c.close()
		}
	}()
	if err := c.c.SetDeadline(time.Now().Add(timeout)); err != nil {
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
		return 0, fmt.Errorf("answer begins with %q, not with HTTP/1.1 and a status", row)
	}
	if status, err = strconv.Atoi(string(row[9:12])); err != nil {
		return 0, fmt.Errorf("answer has no number as its status: %q", row)
	}
	reusable = true
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
				return 0, fmt.Errorf("header has no number of bytes: %q", row)
			}
		case bytes.EqualFold(name, []byte("X-Queue-Time-Ms")), bytes.EqualFold(name, []byte("X-Inference-Time-Ms")):
			ms, err := strconv.ParseFloat(string(value), 64)
			if err != nil {
				return 0, fmt.Errorf("header has no number of milliseconds: %q", row)
			}
			c.engine += time.Duration(ms * float64(time.Millisecond))
		case bytes.EqualFold(name, []byte("Connection")):
			reusable = !bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 {
		return 0, errors.New("answer has no Content-Length")
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
