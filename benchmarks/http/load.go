package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// peakOf returns the throughput over HTTP in texts per second. The first call
// measures it.
func (b *bench) peakOf(ctx context.Context, p *program) (float64, error) {
	if b.peak > 0 {
		return b.peak, nil
	}
	for range b.rounds {
		asked, took, err := closed(ctx, b.callers, b.round, b.over(ctx, p))
		if err != nil {
			return 0, err
		}
		b.peak = max(b.peak, float64(asked)/took.Seconds())
	}
	return b.peak, nil
}

func (b *bench) request(n int) []byte { return b.requests[n%len(b.requests)] }

// load measures latencies at constant rates below the peak.
func load(ctx context.Context, b *bench) (err error) {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	peak, err := b.peakOf(ctx, p)
	if err != nil {
		return err
	}
	fmt.Printf("## Below the peak\n\nOpen loop at a constant rate, 10 s each; the peak is %.0f requests/s of one text.\n\n| share of the peak | requests/s | p50 | p90 | p99 | not 200 |\n|---|---|---|---|---|---|\n", peak)
	for _, share := range []float64{.25, .5, .75, .9} {
		o := constant(ctx, p.address, share*peak, 10*time.Second, b.connections, b.request)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wrong := len(o.busy) + o.unanswered
		for _, n := range o.errors {
			wrong += n
		}
		for _, n := range o.other {
			wrong += n
		}
		fmt.Printf("| %.0f%% | %.0f | %.1f ms | %.1f ms | %.1f ms | %d |\n", 100*share, float64(len(o.ok))/10,
			milliseconds(quantile(o.ok, .5)), milliseconds(quantile(o.ok, .9)), milliseconds(quantile(o.ok, .99)), wrong)
	}
	fmt.Println()
	return nil
}
