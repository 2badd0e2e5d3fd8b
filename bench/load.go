package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/runtime"
)

// closedLoop sends requests for one task from several clients. Each waits for its answer
// before it sends the next request.
type closedLoop struct {
	engine      *runtime.Engine
	task        string
	batch       int // texts in a request
	concurrency int // number of clients

	texts atomic.Int64 // texts classified so far
}

// passResult is the measurement of one pass over all texts.
type passResult struct {
	wall    time.Duration
	texts   int
	tokens  int
	latency []time.Duration // of each request
	queue   []time.Duration // of each request, the time before it was computed
}

// pass classifies all texts once.
func (l *closedLoop) pass(ctx context.Context, texts []runtime.Input) (*passResult, error) {
	requests := (len(texts) + l.batch - 1) / l.batch
	p := &passResult{texts: len(texts), latency: make([]time.Duration, requests), queue: make([]time.Duration, requests)}
	var next, tokens atomic.Int64
	errs := make([]error, l.concurrency)
	var wg sync.WaitGroup
	start := time.Now()
	for client := range l.concurrency {
		wg.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= requests {
					return
				}
				begin := time.Now()
				r, err := l.engine.Classify(ctx, l.task, texts[i*l.batch:min((i+1)*l.batch, len(texts))], runtime.Options{Truncate: true})
				if err != nil {
					errs[client] = err
					return
				}
				p.latency[i], p.queue[i] = time.Since(begin), r.Queue
				tokens.Add(int64(r.Tokens))
				l.texts.Add(int64(len(r.Scores)))
			}
		})
	}
	wg.Wait()
	p.wall, p.tokens = time.Since(start), int(tokens.Load())
	return p, errors.Join(errs...)
}

// flood repeats passes until the context ends, which is not an error.
func (l *closedLoop) flood(ctx context.Context, texts []runtime.Input) error {
	texts = slices.Repeat(texts, 1+l.concurrency*l.batch/len(texts)) // so that every client has a request
	for {
		if _, err := l.pass(ctx, texts); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// openLoop sends requests of one text for the duration, at a mean rate in requests a
// second. Times between requests are exponentially distributed (a Poisson process). next
// draws the task and the text of a request. It returns the latency of each request,
// counted from the time at which it was due.
func openLoop(ctx context.Context, e *runtime.Engine, rng *rand.Rand, rate float64, duration time.Duration, next func() (task string, text runtime.Input)) ([]time.Duration, error) {
	var latency []time.Duration
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	defer wg.Wait()
	start := time.Now()
	for at := time.Duration(0); at < duration; at += time.Duration(rng.ExpFloat64() / rate * float64(time.Second)) {
		task, text := next()
		due := start.Add(at)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		wg.Go(func() {
			_, err := e.Classify(ctx, task, []runtime.Input{text}, runtime.Options{Truncate: true})
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			latency, errs = append(latency, took), append(errs, err)
		})
	}
	wg.Wait()
	return latency, errors.Join(errs...)
}
