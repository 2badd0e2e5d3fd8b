package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"kenserve/runtime"
)

// idle measures the time that a request spends outside queue and forward pass when
// it is the only one: its latency minus the times of queue and forward pass that
// its own answer reports. All times are of the same request, so the difference is
// valid on a busy machine too, where latencies alone are not. In process, the
// remaining time is tokenization and scheduling; over one connection, HTTP is added.
func idle(ctx context.Context, b *bench) (err error) {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	c := &conn{address: p.address}
	defer c.close()
	ways := []struct {
		name string
		ask  func(n int) (engine time.Duration, err error)
	}{
		{"engine, in process", func(n int) (time.Duration, error) {
			r, err := b.engine.Classify(ctx, b.task, b.texts[n:n+1], runtime.Options{})
			if err != nil {
				return 0, err
			}
			return r.Queue + r.Inference, nil
		}},
		{"server, one connection", func(n int) (time.Duration, error) {
			status, err := c.do(ctx, b.requests[n])
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d", status)
			}
			return c.engine, err
		}},
	}
	took, rest := make([][]time.Duration, len(ways)), make([][]time.Duration, len(ways))
	for range b.rounds {
		for i, w := range ways {
			for n := range b.texts {
				start := time.Now()
				engine, err := w.ask(n)
				if err != nil {
					return err
				}
				t := time.Since(start)
				took[i], rest[i] = append(took[i], t), append(rest[i], t-engine)
			}
		}
	}
	fmt.Printf("## Idle\n\nOne text of %d tokens at a time, %d texts in each way in turns, medians.\n\n| | latency | of which outside queue and forward pass |\n|---|---|---|\n", tokens, len(took[0]))
	for i, w := range ways {
		fmt.Printf("| %s | %.3f ms | %.3f ms |\n", w.name, milliseconds(quantile(took[i], .5)), milliseconds(quantile(rest[i], .5)))
	}
	fmt.Printf("\nHTTP costs %.3f ms.\n\n", milliseconds(quantile(rest[1], .5)-quantile(rest[0], .5)))
	return nil
}
