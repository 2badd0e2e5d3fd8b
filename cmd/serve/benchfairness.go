package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"sync"
	"time"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/runtime"
)

type benchFairnessCmd struct {
	File     string        `arg:"" placeholder:"FILE.ken" help:"Delta file; all tasks are copies of it."`
	Base     string        `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Trickles int           `default:"99" placeholder:"N" help:"Tasks that are asked rarely (default ${default})."`
	Share    float64       `default:"0.3" placeholder:"F" help:"Of what the machine can do one at a time, how much they ask for together (default ${default})."`
	Flood    int           `default:"32" placeholder:"N" help:"Requests at a time to the flooding task (default ${default})."`
	Batch    int           `default:"32" placeholder:"N" help:"Texts of such a request (default ${default})."`
	Tokens   int           `default:"25" placeholder:"N" help:"Tokens of a text on average, special ones included (default ${default})."`
	Duration time.Duration `default:"10s" placeholder:"TIME" help:"How long each of the two measurements takes (default ${default})."`
	Threads  int           `placeholder:"N" help:"Cores to use (default: all)."`
	Memory   byteSize      `default:"8GiB" placeholder:"BYTES" help:"Memory for loaded tasks beside the base (default ${default})."`
	JSON     bool          `name:"json" help:"Print JSON."`
}

// fairness is what bench fairness prints.
type fairness struct {
	Trickles int          `json:"trickles"`
	Threads  int          `json:"threads"`
	Rate     float64      `json:"requests_per_second"` // of all trickles
	Requests int          `json:"requests"`            // in each measurement
	Alone    milliseconds `json:"alone_ms"`            // latency of the trickles
	Beside   milliseconds `json:"beside_flood_ms"`
	P99Ratio float64      `json:"p99_ratio"`
	// FloodTexts is the flooding task's throughput in texts a second beside the
	// trickles.
	FloodTexts float64 `json:"flood_texts_per_second"`
}

// Run measures the latency of many tasks that are asked now and then, at random
// and whether or not earlier answers have come, alone and beside one task whose
// clients ask for all they can get. Both measurements have the same arrivals.
func (c *benchFairnessCmd) Run(ctx context.Context, s streams) (err error) {
	if c.Trickles < 1 || c.Flood < 1 || c.Batch < 1 || c.Tokens < 1 || c.Threads < 0 || c.Duration <= 0 || !(c.Share > 0 && c.Share < 1) {
		return usageError{errors.New("bench: fairness wants positive numbers, and a share below 1")}
	}
	if c.Threads > 0 {
		defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(c.Threads))
	}
	folder, err := linked(c.File, c.Trickles+1)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	e, err := runtime.Open(ctx, runtime.Config{
		BaseDir: c.Base, Store: store.Folder(folder), Budget: int64(c.Memory), Compute: gemm.Float32, Workers: c.Threads, Log: quiet(),
		MaxWaiting: 1 << 20, MaxWaitingTokens: 1 << 30, // every request is to be measured
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	texts, err := syntheticTexts(ctx, e, 512, c.Tokens)
	if err != nil {
		return err
	}
	// Every task is loaded once, the flooding one first; the trickles' own speed
	// gives their rate.
	one := load{engine: e, batch: 1, concurrency: 1}
	for i := range c.Trickles + 1 {
		one.task = taskNumber(i)
		if _, err := one.pass(ctx, texts[:4]); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	p, err := one.pass(ctx, texts)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	f := fairness{Trickles: c.Trickles, Threads: goruntime.GOMAXPROCS(0), Rate: c.Share * float64(len(texts)) / p.wall.Seconds()}
	alone, err := c.trickle(ctx, e, texts, f.Rate)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	flooding, stop := context.WithCancel(ctx)
	flood := load{engine: e, task: taskNumber(0), batch: c.Batch, concurrency: c.Flood}
	defer stop()
	flooded := make(chan error, 1)
	go func() { flooded <- flood.flood(flooding, texts) }()
	before, start := flood.texts.Load(), time.Now()
	beside, err := c.trickle(ctx, e, texts, f.Rate)
	f.FloodTexts = float64(flood.texts.Load()-before) / time.Since(start).Seconds()
	stop()
	if err := errors.Join(err, <-flooded); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	f.Requests, f.Alone, f.Beside = len(alone), quantiles(alone), quantiles(beside)
	f.P99Ratio = f.Beside.P99 / f.Alone.P99
	if c.JSON {
		return json.NewEncoder(s.out).Encode(f)
	}
	_, err = fmt.Fprintf(s.out, `trickles      %d tasks, together %.1f requests of one text a second, %d in all, %d threads
alone         %s
beside flood  %s
ratio         %.2f at 99%%
flood         %.0f texts/s
`, f.Trickles, f.Rate, f.Requests, f.Threads, f.Alone, f.Beside, f.P99Ratio, f.FloodTexts)
	return err
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
func (c *benchFairnessCmd) trickle(ctx context.Context, e *runtime.Engine, texts []runtime.Input, rate float64) ([]time.Duration, error) {
	rng := rand.New(rand.NewPCG(3, 4))
	var latency []time.Duration
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	defer wg.Wait()
	start := time.Now()
	for at := time.Duration(0); at < c.Duration; at += time.Duration(rng.ExpFloat64() / rate * float64(time.Second)) {
		task, text := taskNumber(1+rng.IntN(c.Trickles)), texts[rng.IntN(len(texts))]
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

// linked makes a folder in which a delta is the file of many tasks.
func linked(file string, tasks int) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "kenserve-bench-")
	if err != nil {
		return "", err
	}
	for i := range tasks {
		if err := os.Symlink(path, filepath.Join(dir, taskNumber(i)+delta.Extension)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

func taskNumber(i int) string { return fmt.Sprintf("task-%05d", i) }
