package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"kenserve/runtime"
)

// full compares the throughput of three ways to use the same engine, in turns:
// token ids in requests of 32 texts, which is almost only the engine; one text per
// request in process, which adds tokenization and scheduling; and one text per
// request over HTTP.
func full(ctx context.Context, b *bench) (err error) {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	const many = 32
	ways := []struct {
		name   string
		texts  int // per request
		caller func() (func(n int) error, func())
		cpu    func() time.Duration
	}{
		{"engine, ids, 32 texts per request", many, b.inProcess(ctx, b.encoded, many), own},
		{"engine, one text per request", 1, b.inProcess(ctx, b.texts, 1), own},
		{"server, one text per request", 1, b.over(ctx, p), p.cpu},
	}
	best := make([]float64, len(ways))       // texts per second, of the best round
	cost := make([]time.Duration, len(ways)) // processor time per text, of the best round
	for i := range cost {
		cost[i] = time.Hour
	}
	for range b.rounds {
		for i, w := range ways {
			callers := max(b.callers/w.texts, 4)
			if w.texts == 1 {
				callers = b.callers
			}
			before := w.cpu()
			asked, took, err := closed(ctx, callers, b.round, w.caller)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			texts := asked * w.texts
			best[i] = max(best[i], float64(texts)/took.Seconds())
			cost[i] = min(cost[i], (w.cpu()-before)/time.Duration(texts))
		}
	}
	b.peak = best[2]
	fmt.Printf("## Full load\n\n%d tokens per text, %d concurrent requests, best of %d rounds of %s in turns.\n\n", tokens, b.callers, b.rounds, b.round)
	fmt.Println("| | texts/s | share of the engine | processor time per text |\n|---|---|---|---|")
	for i, w := range ways {
		fmt.Printf("| %s | %.0f | %.1f%% | %.0f µs |\n", w.name, best[i], 100*best[i]/best[0], float64(cost[i])/1e3)
	}
	fmt.Printf("\nHTTP, tokenization and scheduling cost %.1f%% of the throughput, including the driver's own work on the same cores; HTTP alone costs %.1f%%.\n\n",
		100*(1-best[2]/best[0]), 100*(1-best[2]/best[1]))
	return nil
}

// inProcess returns a caller that calls the engine with texts texts per request.
func (b *bench) inProcess(ctx context.Context, inputs []runtime.Input, texts int) func() (func(n int) error, func()) {
	return func() (func(n int) error, func()) {
		return func(n int) error {
			from := n * texts % len(inputs)
			_, err := b.engine.Classify(ctx, b.task, inputs[from:from+texts], runtime.Options{})
			return err
		}, func() {}
	}
}

// over returns a caller that sends requests to the server.
func (b *bench) over(ctx context.Context, p *program) func() (func(n int) error, func()) {
	return func() (func(n int) error, func()) {
		c := &conn{address: p.address}
		return func(n int) error {
			status, err := c.do(ctx, b.requests[n%len(b.requests)])
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d", status)
			}
			return err
		}, c.close
	}
}

// own returns the processor time of this process.
func own() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
