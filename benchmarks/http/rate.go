package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// outcome counts the results of requests.
type outcome struct {
	ok, busy   []time.Duration // latencies of answers 200 and 429, from the time at which each request was due
	unanswered int             // the connection ended before an answer
	other      map[int]int     // other statuses
	errors     map[string]int
	took       time.Duration // until the last request was due
}

func (o *outcome) add(since time.Time, status int, err error) {
	took := time.Since(since)
	switch {
	case errors.Is(err, errUnanswered):
		o.unanswered++
	case err != nil:
		if o.errors == nil {
			o.errors = map[string]int{}
		}
		o.errors[err.Error()]++
	case status == http.StatusOK:
		o.ok = append(o.ok, took)
	case status == http.StatusTooManyRequests:
		o.busy = append(o.busy, took)
	default:
		if o.other == nil {
			o.other = map[int]int{}
		}
		o.other[status]++
	}
}

func (o *outcome) merge(p *outcome) {
	o.ok = append(o.ok, p.ok...)
	o.busy = append(o.busy, p.busy...)
	o.unanswered += p.unanswered
	for k, v := range p.other {
		if o.other == nil {
			o.other = map[int]int{}
		}
		o.other[k] += v
	}
	for k, v := range p.errors {
		if o.errors == nil {
			o.errors = map[string]int{}
		}
		o.errors[k] += v
	}
}

// due is a request to send.
type due struct {
	at time.Time
	n  int
}

// constant sends requests at a constant rate, in requests per second, for a time,
// and waits for their results. request returns the n-th one. At most connections
// connections are open; a request that is due while all are busy waits, and the
// wait counts as latency.
func constant(ctx context.Context, address string, rate float64, length time.Duration, connections int, request func(n int) []byte) *outcome {
	total := int(rate * length.Seconds())
	queue := make(chan due, total)
	var all outcome
	var mu sync.Mutex
	var workers sync.WaitGroup
	work := func() {
		defer workers.Done()
		c := &conn{address: address}
		defer c.close()
		var own outcome
		for d := range queue {
			status, err := c.do(ctx, request(d.n))
			own.add(d.at, status, err)
		}
		mu.Lock()
		defer mu.Unlock()
		all.merge(&own)
	}
	start := time.Now()
	started := 0
	for n := 0; n < total && ctx.Err() == nil; {
		elapsed := time.Since(start).Seconds()
		for ; n < total && float64(n) <= elapsed*rate; n++ {
			queue <- due{start.Add(time.Duration(float64(n) / rate * float64(time.Second))), n}
			// Open a connection only if none is free.
			if len(queue) > 0 && started < connections {
				workers.Add(1)
				started++
				go work()
			}
		}
		time.Sleep(500 * time.Microsecond)
	}
	all.took = time.Since(start)
	close(queue)
	workers.Wait()
	return &all
}

// closed runs a closed loop for a time: each caller sends its next request as soon
// as it has an answer. It returns the number of requests and the time they took.
func closed(ctx context.Context, callers int, length time.Duration, caller func() (ask func(n int) error, done func())) (asked int, took time.Duration, err error) {
	start := time.Now()
	counts, errs := make([]int, callers), make([]error, callers)
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			ask, done := caller()
			defer done()
			for n := i; time.Since(start) < length && ctx.Err() == nil; n++ {
				if errs[i] = ask(n); errs[i] != nil {
					return
				}
				counts[i]++
			}
		})
	}
	wait.Wait()
	for _, n := range counts {
		asked += n
	}
	return asked, time.Since(start), errors.Join(append(errs, ctx.Err())...)
}

// quantile returns the q-th quantile of x, which it sorts; 0 if x is empty.
func quantile(x []time.Duration, q float64) time.Duration {
	if len(x) == 0 {
		return 0
	}
	slices.Sort(x)
	return x[min(int(q*float64(len(x))), len(x)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
