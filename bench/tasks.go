package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/runtime"
)

// TasksReport has one row a number of tasks.
type TasksReport struct {
	Threads    int         `json:"threads"`
	DeltaBytes int64       `json:"delta_bytes"`
	Memory     int64       `json:"memory_bytes"`
	Zipf       float64     `json:"zipf"`
	Rows       []*TasksRow `json:"rows"`
	// First requests, in ms: to tasks that are hot, that are warm, and that are
	// cold with their file in the page cache. Medians.
	HotMS  float64 `json:"hot_ms"`
	WarmMS float64 `json:"warm_ms"`
	ColdMS float64 `json:"cold_ms"`
}

// TasksRow is how the engine does with so many tasks.
type TasksRow struct {
	Tasks      int     `json:"tasks"`
	Throughput float64 `json:"texts_per_second"`
	Ratio      float64 `json:"throughput_ratio"` // of one round, to the first number's
	P50        float64 `json:"p50_ms"`           // at half load
	P99        float64 `json:"p99_ms"`
	P99Ratio   float64 `json:"p99_ratio"`
	HitRate    float64 `json:"hit_rate"` // requests that found their task in memory
	Hot        int     `json:"hot"`
	Warm       int     `json:"warm"`
	RSS        int64   `json:"resident_bytes"`
}

// TasksOptions say what is measured.
type TasksOptions struct {
	Counts      []int         // numbers of tasks; ratios are to the first
	Zipf        float64       // exponent of the tasks' popularity
	Tokens      int           // of a text on average
	Concurrency int           // requests at a time, for throughput
	Duration    time.Duration // of each measurement
	Rounds      int           // the best counts
}

// Measurements is how many times Tasks calls progress.
func (o *TasksOptions) Measurements() int { return o.Rounds * len(o.Counts) }

// Tasks drives an engine with requests for more and more tasks, of a store that
// WriteVariants made.
func Tasks(ctx context.Context, e *runtime.Engine, o TasksOptions, progress func(measurements int)) (*TasksReport, error) {
	texts, err := SyntheticTexts(ctx, e, 512, o.Tokens)
	if err != nil {
		return nil, err
	}
	m := &TasksReport{Zipf: o.Zipf}
	for _, n := range o.Counts {
		m.Rows = append(m.Rows, &TasksRow{Tasks: n})
	}
	for range o.Rounds {
		if err := o.round(ctx, e, m, texts, progress); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	if err := m.first(ctx, e); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return m, nil
}

// round measures all numbers of tasks in turn.
func (o *TasksOptions) round(ctx context.Context, e *runtime.Engine, m *TasksReport, texts []runtime.Input, progress func(measurements int)) error {
	var base, baseP99 float64
	for i, row := range m.Rows {
		pick := newZipf(row.Tasks, o.Zipf)
		if row.RSS == 0 { // every task is asked for once: the scan that a cache has to stand
			for n := range row.Tasks {
				if _, err := e.Classify(ctx, taskNumber(n), texts[:1], runtime.Options{Truncate: true}); err != nil {
					return err
				}
			}
		}
		if _, err := o.closed(ctx, e, pick, texts); err != nil {
			return err
		}
		before := e.Stats()
		throughput, err := o.closed(ctx, e, pick, texts)
		if err != nil {
			return err
		}
		after := e.Stats()
		if i == 0 {
			base = throughput
		}
		latency, err := o.open(ctx, e, pick, texts, base/2)
		if err != nil {
			return err
		}
		q := quantiles(latency)
		if i == 0 {
			baseP99 = q.P99
		}
		row.Throughput = max(row.Throughput, throughput)
		row.Ratio = max(row.Ratio, throughput/base)
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

// closed has clients that wait for their answers, and returns texts a second.
func (o *TasksOptions) closed(ctx context.Context, e *runtime.Engine, pick *zipf, texts []runtime.Input) (float64, error) {
	start := time.Now()
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, o.Concurrency)
	for client := range o.Concurrency {
		rng := rand.New(rand.NewPCG(uint64(client), 5))
		wg.Go(func() {
			for time.Since(start) < o.Duration {
				i := rng.IntN(len(texts))
				if _, err := e.Classify(ctx, taskNumber(pick.rank(rng)), texts[i:i+1], runtime.Options{Truncate: true}); err != nil {
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

// open sends requests at random times, whether or not earlier answers have come,
// and returns their latencies, counted from when they should have been sent.
func (o *TasksOptions) open(ctx context.Context, e *runtime.Engine, pick *zipf, texts []runtime.Input, rate float64) ([]time.Duration, error) {
	rng := rand.New(rand.NewPCG(6, 7))
	var latency []time.Duration
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for at := time.Duration(0); at < o.Duration; at += time.Duration(rng.ExpFloat64() / rate * float64(time.Second)) {
		task, i := taskNumber(pick.rank(rng)), rng.IntN(len(texts))
		due := start.Add(at)
		time.Sleep(time.Until(due))
		wg.Go(func() {
			_, err := e.Classify(ctx, task, texts[i:i+1], runtime.Options{Truncate: true})
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			latency = append(latency, took)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return latency, errors.Join(errs...)
}

// first measures single requests of 24 tokens to one task in each tier, in turn.
func (m *TasksReport) first(ctx context.Context, e *runtime.Engine) error {
	text := []runtime.Input{{Text: strings.Join(commonWords[:22], " ")}}
	ask := func(task string) (float64, error) {
		start := time.Now()
		_, err := e.Classify(ctx, task, text, runtime.Options{Truncate: true})
		return time.Since(start).Seconds() * 1e3, err
	}
	hot, other := taskNumber(0), taskNumber(1)
	for range 200 { // it is the most popular one anyway
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

func median(x []float64) float64 {
	sort.Float64s(x)
	return x[len(x)/2]
}

// zipf draws ranks from 0 on with probability in proportion to (rank+1)^-s.
type zipf struct{ cumulated []float64 }

func newZipf(n int, s float64) *zipf {
	z := &zipf{make([]float64, n)}
	sum := 0.0
	for i := range z.cumulated {
		sum += math.Pow(float64(i+1), -s)
		z.cumulated[i] = sum
	}
	return z
}

func (z *zipf) rank(rng *rand.Rand) int {
	return sort.SearchFloat64s(z.cumulated, rng.Float64()*z.cumulated[len(z.cumulated)-1])
}

// residentBytes returns the process's resident memory, 0 where that cannot be
// told.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
