package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// idle compares the latency of one request after the other, in process and over
// one connection, in turns.
func idle(ctx context.Context, b *bench) (err error) {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	engine, _ := b.inProcess(ctx, b.texts, 1)()
	server, done := b.over(ctx, p)()
	defer done()
	measure := func(ask func(n int) error) (time.Duration, error) {
		const requests = 300
		took := make([]time.Duration, requests)
		for n := range took {
			start := time.Now()
			if err := ask(n); err != nil {
				return 0, err
			}
			took[n] = time.Since(start)
		}
		return quantile(took, .5), nil
	}
	inside, outside := time.Hour, time.Hour
	for range 2 * b.rounds {
		a, err := measure(engine)
		if err != nil {
			return err
		}
		c, err := measure(server)
		if err != nil {
			return err
		}
		inside, outside = min(inside, a), min(outside, c)
	}
	fmt.Printf("## Idle\n\nOne text of %d tokens after the other, medians of 300, best of %d in turns.\n\n| engine, in process | server, one connection | difference |\n|---|---|---|\n| %.3f ms | %.3f ms | %.3f ms |\n\n",
		tokens, 2*b.rounds, milliseconds(inside), milliseconds(outside), milliseconds(outside-inside))
	return nil
}
