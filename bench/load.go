package bench

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/runtime"
)

// load sends texts to an engine from several goroutines, each of which waits
// for its answer before it sends the next request.
type load struct {
	engine      *runtime.Engine
	task        string
	batch       int // texts of a request
	concurrency int

	texts atomic.Int64 // classified so far
}

// passed is what one pass over all texts took.
type passed struct {
	wall    time.Duration
	texts   int
	tokens  int
	latency []time.Duration // of each request
	queue   []time.Duration
}

// pass classifies all texts once.
func (l *load) pass(ctx context.Context, texts []runtime.Input) (*passed, error) {
	requests := (len(texts) + l.batch - 1) / l.batch
	p := &passed{texts: len(texts), latency: make([]time.Duration, requests), queue: make([]time.Duration, requests)}
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

// Quantiles are quantiles of a duration.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantiles(d []time.Duration) Quantiles {
	slices.Sort(d)
	at := func(q float64) float64 {
		return float64(d[int(math.Ceil(q*float64(len(d))))-1]) / float64(time.Millisecond)
	}
	return Quantiles{at(0.5), at(0.9), at(0.99), at(1)}
}
