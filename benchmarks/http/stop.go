package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stop ends the server with SIGTERM at full load and checks that it answered every
// request that it accepted. A request is accepted if the server's log has a line
// with the id that the driver gave it. If a connection ends without an answer and
// the log does not have its request, the server never read that request; a load
// balancer sends it to another server.
func stop(ctx context.Context, b *bench) (err error) {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	peak, err := b.peakOf(ctx, p)
	if err != nil {
		return errors.Join(err, p.stop())
	}
	answered := map[int]int{} // status by request
	var mu sync.Mutex
	var workers sync.WaitGroup
	end := time.Now().Add(3 * time.Second)
	over := 0
	for w := range b.callers {
		workers.Go(func() {
			c := &conn{address: p.address}
			defer c.close()
			for n := w; time.Now().Before(end); n += b.callers {
				status, err := c.do(ctx, identified(b.request(n), n))
				if err != nil && !errors.Is(err, errUnanswered) && errors.Is(err, syscall.ECONNREFUSED) {
					return // the server has stopped
				}
				mu.Lock()
				if err == nil {
					answered[n] = status
				} else {
					over++
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(1500 * time.Millisecond)
	asked := time.Now()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	exit := p.command.Wait()
	took := time.Since(asked)
	workers.Wait()
	if exit != nil {
		return fmt.Errorf("the server ended with %w", exit)
	}
	accepted, lost, refused := 0, 0, 0
	err = p.lines(func(l line) {
		id, ok := strings.CutPrefix(l.ID, "request-")
		if l.Msg != "request" || !ok {
			return
		}
		n, err := strconv.Atoi(id)
		if err != nil {
			return
		}
		accepted++
		switch status, ok := answered[n]; {
		case !ok || status != l.Status:
			lost++
		case status != http.StatusOK:
			refused++
		}
	})
	if err != nil {
		return err
	}
	fmt.Printf("## SIGTERM\n\nAt full load, %d connections, about %.0f requests/s.\n\n| | |\n|---|---|\n| accepted, according to the server's log | %d |\n| of which not answered | %d |\n| of which answered with an error | %d |\n| connections that ended before the server read the request | %d |\n| from the signal to the end of the process | %.0f ms |\n\n",
		b.callers, peak, accepted, lost, refused, over-lost, milliseconds(took))
	if lost > 0 {
		return fmt.Errorf("%d requests were accepted and not answered", lost)
	}
	return nil
}

// identified returns the request with its own id in a header.
func identified(request []byte, n int) []byte {
	const first = "POST /classify HTTP/1.1\r\n"
	return append(fmt.Appendf([]byte(first), "X-Request-Id: request-%d\r\n", n), request[len(first):]...)
}
