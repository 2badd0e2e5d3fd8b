package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/runtime"
	"kenserve/safetensors"
)

type benchTasksCmd struct {
	File        string        `arg:"" placeholder:"FILE.ken" help:"Delta file in the fast layout; every task is a variant of it, with other signs."`
	Base        string        `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Counts      []int         `default:"10,100,1000" placeholder:"N,..." help:"Numbers of tasks to compare, the first being what the others are compared with (default ${default})."`
	Zipf        float64       `default:"1" placeholder:"S" help:"Exponent of the tasks' popularity: the task of rank r is asked for in proportion to r to the power of -S (default ${default})."`
	Tokens      int           `default:"25" placeholder:"N" help:"Tokens of a text on average, special ones included (default ${default})."`
	Concurrency int           `default:"8" placeholder:"N" help:"Requests at a time, for throughput (default ${default})."`
	Duration    time.Duration `default:"5s" placeholder:"TIME" help:"How long each measurement takes (default ${default}), after as long to warm up."`
	Rounds      int           `default:"3" placeholder:"N" help:"Times that all numbers are measured in turn; the best round counts (default ${default})."`
	Threads     int           `placeholder:"N" help:"Cores to use (default: all)."`
	Memory      byteSize      `placeholder:"BYTES" help:"Memory of the whole process, as of serve."`
	Out         string        `placeholder:"DIR" help:"Folder for tasks.json and tasks.png."`
	JSON        bool          `name:"json" help:"Print JSON."`
}

// manyTasks is what bench tasks prints: one row a number of tasks.
type manyTasks struct {
	Threads    int             `json:"threads"`
	DeltaBytes int64           `json:"delta_bytes"`
	Memory     int64           `json:"memory_bytes"`
	Zipf       float64         `json:"zipf"`
	Rows       []*manyTasksRow `json:"rows"`
	// First requests, in ms: to tasks that are hot, that are warm, and that are
	// cold with their file in the page cache. Medians.
	HotMS  float64 `json:"hot_ms"`
	WarmMS float64 `json:"warm_ms"`
	ColdMS float64 `json:"cold_ms"`
}

type manyTasksRow struct {
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

// Run drives one engine with requests for more and more tasks.
func (c *benchTasksCmd) Run(ctx context.Context, s streams) (err error) {
	if len(c.Counts) == 0 || slices.Min(c.Counts) < 1 || c.Tokens < 1 || c.Concurrency < 1 || c.Rounds < 1 || c.Duration <= 0 || c.Threads < 0 || !(c.Zipf >= 0) {
		return usageError{errors.New("bench: tasks wants positive numbers")}
	}
	folder, err := os.MkdirTemp("", "kenserve-bench-")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	template, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	bar := newProgress(s.err, "tasks", slices.Max(c.Counts))
	for i := range slices.Max(c.Counts) {
		variant, err := variantOf(template, uint64(i))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, taskNumber(i)+delta.Extension), variant, 0o644)
		}
		if err != nil {
			bar.finish()
			return fmt.Errorf("bench: %w", err)
		}
		bar.add(1)
	}
	bar.finish()
	e, err := runtime.Open(ctx, runtime.Config{
		BaseDir: c.Base, Store: store.Folder(folder), Memory: int64(c.Memory), Workers: c.Threads, Log: quiet(),
		MaxWaiting: 1 << 20, MaxWaitingTokens: 1 << 30, // every request is to be measured
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	limitHeap(e)
	texts, err := syntheticTexts(ctx, e, 512, c.Tokens)
	if err != nil {
		return err
	}
	m := &manyTasks{Threads: c.Threads, DeltaBytes: int64(len(template)), Memory: int64(c.Memory), Zipf: c.Zipf}
	for _, n := range c.Counts {
		m.Rows = append(m.Rows, &manyTasksRow{Tasks: n})
	}
	bar = newProgress(s.err, "measurements", c.Rounds*len(c.Counts))
	defer bar.finish()
	for range c.Rounds {
		if err := c.round(ctx, e, m, texts, bar); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	if err := c.first(ctx, e, m); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if c.Out != "" {
		if err := m.write(c.Out); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(m)
	}
	return m.print(s)
}

// round measures all numbers of tasks in turn.
func (c *benchTasksCmd) round(ctx context.Context, e *runtime.Engine, m *manyTasks, texts []runtime.Input, bar *progress) error {
	var base, baseP99 float64
	for i, row := range m.Rows {
		pick := newZipf(row.Tasks, c.Zipf)
		if row.RSS == 0 { // every task is asked for once: the scan that a cache has to stand
			for n := range row.Tasks {
				if _, err := e.Classify(ctx, taskNumber(n), texts[:1], runtime.Options{Truncate: true}); err != nil {
					return err
				}
			}
		}
		if _, err := c.closed(ctx, e, pick, texts); err != nil {
			return err
		}
		before := e.Stats()
		throughput, err := c.closed(ctx, e, pick, texts)
		if err != nil {
			return err
		}
		after := e.Stats()
		if i == 0 {
			base = throughput
		}
		latency, err := c.open(ctx, e, pick, texts, base/2)
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
		bar.add(1)
	}
	return nil
}

// closed has clients that wait for their answers, and returns texts a second.
func (c *benchTasksCmd) closed(ctx context.Context, e *runtime.Engine, pick *zipf, texts []runtime.Input) (float64, error) {
	start := time.Now()
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, c.Concurrency)
	for client := range c.Concurrency {
		rng := rand.New(rand.NewPCG(uint64(client), 5))
		wg.Go(func() {
			for time.Since(start) < c.Duration {
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
func (c *benchTasksCmd) open(ctx context.Context, e *runtime.Engine, pick *zipf, texts []runtime.Input, rate float64) ([]time.Duration, error) {
	rng := rand.New(rand.NewPCG(6, 7))
	var latency []time.Duration
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for at := time.Duration(0); at < c.Duration; at += time.Duration(rng.ExpFloat64() / rate * float64(time.Second)) {
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
func (c *benchTasksCmd) first(ctx context.Context, e *runtime.Engine, m *manyTasks) error {
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

// variantOf returns a delta like the one given with the signs of its kept
// values, if they are coded as signs, drawn anew.
func variantOf(template []byte, seed uint64) ([]byte, error) {
	data := bytes.Clone(template)
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 8))
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		switch _, part, _ := strings.Cut(name, "#"); part {
		case "steps": // bit 7 is the sign, but of a skip
			for i, b := range t.Data {
				if b&0x7f != 0x7f {
					t.Data[i] = b ^ byte(rng.Uint32())&0x80
				}
			}
		case "sign": // a bit a value; those behind the last are in the last byte
			for i := range t.Data[:max(1, len(t.Data))-1] {
				t.Data[i] ^= byte(rng.Uint32())
			}
		}
	}
	// The digest is that of the file with zeros in its place.
	digest := []byte(f.Metadata()["sha256"])
	at := bytes.Index(data, digest)
	if len(digest) != 2*sha256.Size || at < 0 {
		return nil, errors.New("the file has no digest")
	}
	copy(data[at:], strings.Repeat("0", len(digest)))
	sum := sha256.Sum256(data)
	hex.Encode(data[at:], sum[:])
	return data, nil
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

func (m *manyTasks) print(s streams) error {
	fmt.Fprintf(s.out, "delta %s, popularity Zipf(%g)\n", size(m.DeltaBytes), m.Zipf)
	fmt.Fprintf(s.out, "%8s %10s %7s %9s %9s %7s %7s %6s %6s %10s\n", "tasks", "texts/s", "ratio", "p50 ms", "p99 ms", "ratio", "hits", "hot", "warm", "resident")
	for _, r := range m.Rows {
		fmt.Fprintf(s.out, "%8d %10.1f %7.3f %9.2f %9.2f %7.2f %6.1f%% %6d %6d %10s\n",
			r.Tasks, r.Throughput, r.Ratio, r.P50, r.P99, r.P99Ratio, 100*r.HitRate, r.Hot, r.Warm, size(r.RSS))
	}
	_, err := fmt.Fprintf(s.out, "first request, median: hot %.2f ms, warm %.2f ms (%.2f), cold %.2f ms (%.2f)\n", m.HotMS, m.WarmMS, m.WarmMS/m.HotMS, m.ColdMS, m.ColdMS/m.HotMS)
	return err
}

// write writes tasks.json and tasks.png: throughput and tail latency, each
// relative to the first number of tasks, against the number of tasks.
func (m *manyTasks) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "tasks.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	var throughput, latency plotter.XYs
	for _, r := range m.Rows {
		throughput = append(throughput, plotter.XY{X: float64(r.Tasks), Y: r.Ratio})
		latency = append(latency, plotter.XY{X: float64(r.Tasks), Y: r.P99Ratio})
	}
	p := plot.New()
	p.Title.Text = "Throughput and tail latency against the number of tasks"
	p.X.Label.Text = "tasks"
	p.Y.Label.Text = fmt.Sprintf("relative to %d tasks", m.Rows[0].Tasks)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	p.Legend.Left = true
	for i, line := range []struct {
		name   string
		points plotter.XYs
	}{{"throughput", throughput}, {"99th percentile of latency at half load", latency}} {
		l, dots, err := plotter.NewLinePoints(line.points)
		if err != nil {
			return err
		}
		l.Dashes = []vg.Length{vg.Points(float64(1 + 5*i)), vg.Points(float64(2 * i))}
		if i == 0 {
			l.Dashes = nil
		}
		dots.Shape = draw.CircleGlyph{}
		p.Add(l, dots)
		p.Legend.Add(line.name, l, dots)
	}
	p.X.Max *= 1.2 // room for the last points
	p.Y.Max *= 1.1
	return p.Save(6*vg.Inch, 4*vg.Inch, filepath.Join(dir, "tasks.png"))
}
