package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"sync"
	"time"

	"kenserve/runtime"
)

// FairnessReport is what a flood does to the latency of others.
type FairnessReport struct {
	Trickles int       `json:"trickles"`
	Threads  int       `json:"threads"`
	Rate     float64   `json:"requests_per_second"` // of all trickles
	Requests int       `json:"requests"`            // in each measurement
	Alone    Quantiles `json:"alone_ms"`            // latency of the trickles
	Beside   Quantiles `json:"beside_flood_ms"`
	P99Ratio float64   `json:"p99_ratio"`
	// FloodTexts is the flooding task's throughput in texts a second beside the
	// trickles.
	FloodTexts float64 `json:"flood_texts_per_second"`
}

// FairnessOptions say what is measured.
type FairnessOptions struct {
	Trickles int           // tasks that are asked rarely
	Share    float64       // of what the machine can do one at a time, how much they ask for together
	Flood    int           // requests at a time to the flooding task
	Batch    int           // texts of such a request
	Tokens   int           // of a text on average
	Duration time.Duration // of each of the two measurements
}

// Fairness measures the latency of many tasks that are asked now and then, at random
// and whether or not earlier answers have come, alone and beside one task whose
// clients ask for all they can get. Both measurements have the same arrivals. The
// engine's store is one that LinkTasks made, of one task more than Trickles.
func Fairness(ctx context.Context, e *runtime.Engine, o FairnessOptions) (*FairnessReport, error) {
	texts, err := SyntheticTexts(ctx, e, 512, o.Tokens)
	if err != nil {
		return nil, err
	}
	// Every task is loaded once, the flooding one first; the trickles' own speed
	// gives their rate.
	one := load{engine: e, batch: 1, concurrency: 1}
	for i := range o.Trickles + 1 {
		one.task = taskNumber(i)
		if _, err := one.pass(ctx, texts[:4]); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	p, err := one.pass(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	f := &FairnessReport{Trickles: o.Trickles, Threads: goruntime.GOMAXPROCS(0), Rate: o.Share * float64(len(texts)) / p.wall.Seconds()}
	alone, err := o.trickle(ctx, e, texts, f.Rate)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	flooding, stop := context.WithCancel(ctx)
	flood := load{engine: e, task: taskNumber(0), batch: o.Batch, concurrency: o.Flood}
	defer stop()
	flooded := make(chan error, 1)
	go func() { flooded <- flood.flood(flooding, texts) }()
	before, start := flood.texts.Load(), time.Now()
	beside, err := o.trickle(ctx, e, texts, f.Rate)
	f.FloodTexts = float64(flood.texts.Load()-before) / time.Since(start).Seconds()
	stop()
	if err := errors.Join(err, <-flooded); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	f.Requests, f.Alone, f.Beside = len(alone), quantiles(alone), quantiles(beside)
	f.P99Ratio = f.Beside.P99 / f.Alone.P99
	return f, nil
}

// flood sends passes until the context ends.
func (l *load) flood(ctx context.Context, texts []runtime.Input) error {
	texts = slices.Repeat(texts, 1+l.concurrency*l.batch/len(texts)) // so that every client has a request
	for {
		if _, err := l.pass(ctx, texts); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// trickle sends requests of one text to the trickling tasks at random times and
// returns their latencies, counted from when they should have been sent.
func (o *FairnessOptions) trickle(ctx context.Context, e *runtime.Engine, texts []runtime.Input, rate float64) ([]time.Duration, error) {
	rng := rand.New(rand.NewPCG(3, 4))
	var latency []time.Duration
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	defer wg.Wait()
	start := time.Now()
	for at := time.Duration(0); at < o.Duration; at += time.Duration(rng.ExpFloat64() / rate * float64(time.Second)) {
		task, text := taskNumber(1+rng.IntN(o.Trickles)), texts[rng.IntN(len(texts))]
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
