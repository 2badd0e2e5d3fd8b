package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// excess is the rate of requests under overload, as a multiple of the peak.
const excess = 5

// overload sends five times as many requests as the server can answer. It compares
// the rate of answers with the same server at full load, before and after. Both are
// means over a longer time: on a machine whose speed varies, the best of a few
// short rounds is higher than the mean of any minute.
func overload(ctx context.Context, b *bench) (err error) {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	peak, err := b.peakOf(ctx, p)
	if err != nil {
		return err
	}
	steady := func() (float64, error) {
		asked, took, err := closed(ctx, b.callers, b.overload/3, b.over(ctx, p))
		return float64(asked) / took.Seconds(), err
	}
	first, err := steady()
	if err != nil {
		return err
	}
	// Sample the server's memory once a second.
	watched, enough := context.WithCancel(ctx)
	defer enough()
	memory := make(chan []int64, 1)
	go func() {
		var seen []int64
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-watched.Done():
				tick.Stop()
				memory <- seen
				return
			case <-tick.C:
				seen = append(seen, p.resident())
			}
		}
	}()
	before := p.cpu()
	start := time.Now()
	o := constant(ctx, p.address, excess*peak, b.overload, b.connections, b.request)
	took := time.Since(start)
	cpu := p.cpu() - before
	enough()
	seen := <-memory
	last, err := steady()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	rate := float64(len(o.ok)) / took.Seconds()
	fmt.Printf("## Overload\n\nOpen loop at %d times the peak, %.0f requests/s for %s.\n\n| | |\n|---|---|\n", excess, excess*peak, o.took.Round(time.Second))
	fmt.Printf("| answered 200 | %d, %.0f/s: %.2f of full load without excess, which was %.0f/s before and %.0f/s after; %.2f of the best round's %.0f/s |\n",
		len(o.ok), rate, 2*rate/(first+last), first, last, rate/peak, peak)
	fmt.Printf("| their latency | p50 %.0f ms, p99 %.0f ms |\n", milliseconds(quantile(o.ok, .5)), milliseconds(quantile(o.ok, .99)))
	fmt.Printf("| answered 429 | %d: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, longest %.1f ms after they were due |\n", len(o.busy),
		milliseconds(quantile(o.busy, .5)), milliseconds(quantile(o.busy, .99)), milliseconds(quantile(o.busy, .999)), milliseconds(quantile(o.busy, 1)))
	fmt.Printf("| anything else | %d unanswered, statuses %v, errors %v |\n", o.unanswered, o.other, o.errors)
	if n := len(seen); n >= 4 {
		third := seen[n/3:]
		low, high := third[0], third[0]
		for _, v := range third {
			low, high = min(low, v), max(high, v)
		}
		fmt.Printf("| memory of the server | %d MiB after a third of the time, %d to %d MiB after that, %d MiB at the end |\n", third[0]>>20, low>>20, high>>20, seen[n-1]>>20)
	}
	fmt.Printf("| processor time of the server | %.2f cores |\n\n", cpu.Seconds()/took.Seconds())
	return nil
}
