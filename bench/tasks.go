package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/runtime"
)

// TasksReport compares an engine with different numbers of tasks.
type TasksReport struct {
	Threads    int         `json:"threads"`
	Compute    string      `json:"compute"`
	Tokens     int         `json:"tokens"`      // mean of a text
	Requests   int         `json:"concurrency"` // at a time, when throughput was measured
	DeltaBytes int64       `json:"delta_bytes"` // size of a delta file
	Memory     int64       `json:"memory_bytes"`
	Zipf       float64     `json:"zipf"`
	Rows       []*TasksRow `json:"rows"`
	// HotMS, WarmMS and ColdMS are the median latency, in milliseconds, of a single
	// request to a task in that tier. The file of the cold task is in the page cache.
	HotMS  float64 `json:"hot_ms"`
	WarmMS float64 `json:"warm_ms"`
	ColdMS float64 `json:"cold_ms"`
}

// TasksRow is the measurement for one number of tasks. Throughput and ratios are those
// of the best round; a ratio compares with the first row of the same round.
type TasksRow struct {
	Tasks      int     `json:"tasks"`
	Throughput float64 `json:"texts_per_second"`
	Ratio      float64 `json:"throughput_ratio"`
	P50        float64 `json:"p50_ms"` // at half the throughput of the first row
	P99        float64 `json:"p99_ms"`
	P99Ratio   float64 `json:"p99_ratio"`
	HitRate    float64 `json:"hit_rate"` // share of requests whose task was in memory
	Hot        int     `json:"hot"`      // tasks in this tier after the first measurement
	Warm       int     `json:"warm"`
	RSS        int64   `json:"resident_bytes"` // of the process; 0 if not known
}

// TasksOptions are the options of [Tasks].
type TasksOptions struct {
	Counts      []int         // numbers of tasks; ratios compare with the first
	Zipf        float64       // exponent S of the tasks' popularity: rank r has weight r to the power of −S
	Tokens      int           // mean number of tokens in a text
	Concurrency int           // requests at a time, to measure throughput
	Duration    time.Duration // of each measurement
	Rounds      int           // times that all counts are measured; the best round counts
}

// Measurements returns how often Tasks calls progress.
func (o *TasksOptions) Measurements() int { return o.Rounds * len(o.Counts) }

// Tasks measures an engine over the tasks of [WriteVariants], which must be as many as the
// largest of Counts. It calls progress with 1 after each measurement. It leaves Threads,
// Compute, DeltaBytes and Memory of the report to the caller.
func Tasks(ctx context.Context, e *runtime.Engine, o TasksOptions, progress func(measurements int)) (*TasksReport, error) {
	texts, err := SyntheticTexts(ctx, e, 512, o.Tokens)
	if err != nil {
		return nil, err
	}
	m := &TasksReport{Zipf: o.Zipf, Tokens: o.Tokens, Requests: o.Concurrency}
	for _, n := range o.Counts {
		m.Rows = append(m.Rows, &TasksRow{Tasks: n})
	}
	for range o.Rounds {
		if err := o.round(ctx, e, m, texts, progress); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	if err := m.measureTiers(ctx, e); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return m, nil
}

// round measures every row once.
func (o *TasksOptions) round(ctx context.Context, e *runtime.Engine, m *TasksReport, texts []runtime.Input, progress func(int)) error {
	var baseThroughput, baseP99 float64
	for i, row := range m.Rows {
		popularity := newZipf(row.Tasks, o.Zipf)
		if row.RSS == 0 {
			// One request for every task, which must not flush the popular ones from memory.
			for n := range row.Tasks {
				if _, err := e.Classify(ctx, taskName(n), texts[:1], runtime.Options{Truncate: true}); err != nil {
					return err
				}
			}
		}
		if _, err := o.throughput(ctx, e, popularity, texts); err != nil { // warm up
			return err
		}
		before := e.Stats()
		throughput, err := o.throughput(ctx, e, popularity, texts)
		if err != nil {
			return err
		}
		after := e.Stats()
		if i == 0 {
			baseThroughput = throughput
		}
		rng := rand.New(rand.NewPCG(6, 7))
		latency, err := openLoop(ctx, e, rng, baseThroughput/2, o.Duration, func() (string, runtime.Input) {
			return taskName(popularity.rank(rng)), texts[rng.IntN(len(texts))]
		})
		if err != nil {
			return err
		}
		q := quantiles(latency)
		if i == 0 {
			baseP99 = q.P99
		}
		row.Throughput = max(row.Throughput, throughput)
		row.Ratio = max(row.Ratio, throughput/baseThroughput)
		if row.P99Ratio == 0 || q.P99/baseP99 < row.P99Ratio {
			row.P50, row.P99, row.P99Ratio = q.P50, q.P99, q.P99/baseP99
		}
		hits, misses := after.Hits-before.Hits, after.Misses-before.Misses
		row.HitRate = float64(hits) / float64(max(1, hits+misses))
		if row.RSS == 0 {
			row.Hot, row.Warm, row.RSS = after.HotTasks, after.WarmTasks, residentBytes()
		}
		progress(1)
	}
	return nil
}

// throughput runs a closed loop of requests of one text for the duration, and returns
// texts per second.
func (o *TasksOptions) throughput(ctx context.Context, e *runtime.Engine, popularity *zipf, texts []runtime.Input) (float64, error) {
	start := time.Now()
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, o.Concurrency)
	for client := range o.Concurrency {
		rng := rand.New(rand.NewPCG(uint64(client), 5))
		wg.Go(func() {
			for time.Since(start) < o.Duration {
				i := rng.IntN(len(texts))
				if _, err := e.Classify(ctx, taskName(popularity.rank(rng)), texts[i:i+1], runtime.Options{Truncate: true}); err != nil {
					errs[client] = err
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

// measureTiers measures single requests of 24 tokens to a task in each tier, in turn.
// Task 0 is hot. Task 1 is unloaded, so that its next request is cold and the one after
// that warm.
func (m *TasksReport) measureTiers(ctx context.Context, e *runtime.Engine) error {
	text := []runtime.Input{{Text: strings.Join(commonWords[:22], " ")}}
	ask := func(task string) (float64, error) {
		start := time.Now()
		_, err := e.Classify(ctx, task, text, runtime.Options{Truncate: true})
		return time.Since(start).Seconds() * 1e3, err
	}
	hot, other := taskName(0), taskName(1)
	for range 200 { // the most popular task; normally it is hot already
		if info, _ := e.Task(hot); info.Residency == runtime.Hot {
			break
		}
		if _, err := ask(hot); err != nil {
			return err
		}
	}
	var hots, warms, colds []float64
	for range 31 {
		if err := e.Unload(ctx, other); err != nil {
			return err
		}
		for _, tier := range []struct {
			task  string
			times *[]float64
		}{{hot, &hots}, {other, &colds}, {hot, &hots}, {other, &warms}} {
			ms, err := ask(tier.task)
			if err != nil {
				return err
			}
			*tier.times = append(*tier.times, ms)
		}
	}
	m.HotMS, m.WarmMS, m.ColdMS = median(hots), median(warms), median(colds)
	return nil
}
