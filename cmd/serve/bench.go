package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/gemm"
	"kenserve/runtime"
)

// benchCmd is the family of measurements.
type benchCmd struct {
	Model    benchModelCmd    `cmd:"" default:"withargs" help:"Throughput and latency of a delta or a model folder (what bench alone means)."`
	Kernels  benchKernelsCmd  `cmd:"" help:"Matrix products and patching, against what this machine can do at most."`
	Tasks    benchTasksCmd    `cmd:"" help:"Throughput, latency and memory with more and more tasks."`
	Fairness benchFairnessCmd `cmd:"" help:"What one flooding task does to the latency of many others."`
}

type benchModelCmd struct {
	Model       string       `arg:"" placeholder:"FILE.ken|DIR" help:"Delta file, or Hugging Face folder of a whole model."`
	Base        string       `type:"model" placeholder:"DIR" help:"Hugging Face folder of the delta's base."`
	Input       string       `placeholder:"FILE" help:"Texts, one a line, or JSON lines {\"text\", \"text_pair\"}; - is standard input (default: synthetic ones)."`
	Texts       int          `default:"512" placeholder:"N" help:"Number of synthetic texts (default ${default}), or of those read at most."`
	Tokens      int          `default:"25" placeholder:"N" help:"Tokens of a synthetic text on average, special ones included (default ${default})."`
	Batch       int          `default:"1" placeholder:"N" help:"Texts of a request (default ${default})."`
	Sort        bool         `help:"Order the texts by length."`
	Concurrency int          `default:"1" placeholder:"N" help:"Requests at a time (default ${default})."`
	Threads     int          `placeholder:"N" help:"Cores to use (default: all)."`
	Passes      int          `default:"3" placeholder:"N" help:"Times that all texts are classified, after one time to warm up (default ${default})."`
	BatchTokens int          `default:"1024" placeholder:"N" help:"Tokens of one forward pass (default ${default})."`
	Compute     gemm.Compute `default:"float32" placeholder:"TYPE" help:"Type in which dense layers multiply: float32, bfloat16 or int8 (default ${default})."`
	JSON        bool         `name:"json" help:"Print JSON."`
	cacheFlags
}

// measured is what bench prints.
type measured struct {
	Model         string    `json:"model"`
	Kernels       string    `json:"kernels"`
	Compute       string    `json:"compute"`
	Threads       int       `json:"threads"`
	Texts         int       `json:"texts"`
	TokensPerText float64   `json:"tokens_per_text"`
	Batch         int       `json:"batch"` // texts of a request
	Concurrency   int       `json:"concurrency"`
	PassSeconds   []float64 `json:"pass_seconds"`
	// TextsPerSecond and TokensPerSecond are those of the fastest pass.
	TextsPerSecond  float64      `json:"texts_per_second"`
	TokensPerSecond float64      `json:"tokens_per_second"`
	MedianTexts     float64      `json:"median_texts_per_second"`
	Latency         milliseconds `json:"latency_ms"` // of requests
	Queue           milliseconds `json:"queue_ms"`   // of requests, before they were computed
	WorkspaceBytes  int64        `json:"workspace_bytes"`
}

// milliseconds are quantiles of a duration.
type milliseconds struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (c *benchModelCmd) Run(ctx context.Context, s streams) error {
	for name, n := range map[string]int{"texts": c.Texts, "tokens": c.Tokens, "batch": c.Batch, "concurrency": c.Concurrency, "passes": c.Passes, "batch-tokens": c.BatchTokens} {
		if n < 1 {
			return usageError{fmt.Errorf("bench: --%s %d is less than 1", name, n)}
		}
	}
	if c.Threads < 0 {
		return usageError{fmt.Errorf("bench: --threads %d is negative", c.Threads)}
	}
	if c.Threads > 0 {
		defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(c.Threads))
	}
	classifier, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer classifier.Close()
	e, task := classifier.Engine, classifier.Task
	texts, err := c.texts(ctx, e, s)
	if err != nil {
		return err
	}
	l := load{engine: e, task: task, batch: c.Batch, concurrency: c.Concurrency}
	m := measured{Model: task, Compute: c.Compute.String(), Threads: goruntime.GOMAXPROCS(0), Texts: len(texts), Batch: c.Batch, Concurrency: c.Concurrency}
	m.Kernels, _ = gemm.Kernels()
	bar := newProgress(s.err, "passes", c.Passes+1)
	var all []*passed
	for i := range c.Passes + 1 {
		p, err := l.pass(ctx, texts)
		if err != nil {
			bar.finish()
			return fmt.Errorf("bench: %w", err)
		}
		bar.add(1)
		if i > 0 { // the first has loaded the task and grown the buffers
			all = append(all, p)
		}
	}
	bar.finish()
	m.WorkspaceBytes = e.Stats().WorkspaceBytes
	m.add(all)
	if c.JSON {
		return json.NewEncoder(s.out).Encode(m)
	}
	return m.print(s)
}

// open opens an engine with the task to measure: a delta over its base, or a
// whole model as its own base with nothing but a head above it.
func (c *benchModelCmd) open(ctx context.Context) (*bulk.Classifier, error) {
	configure := func(config *runtime.Config) {
		config.Workers, config.BatchTokens, config.MaxWaiting = c.Threads, c.BatchTokens, c.Concurrency
	}
	if info, err := os.Stat(c.Model); err != nil || !info.IsDir() {
		if c.Base == "" {
			return nil, usageError{fmt.Errorf("bench: --base is needed for the delta %s", c.Model)}
		}
		return bulk.Open(ctx, c.Model, c.Base, c.cacheFlags.open(), c.Compute, configure)
	}
	if c.Base != "" {
		return nil, usageError{fmt.Errorf("bench: %s is a folder with a whole model; --base goes with a delta", c.Model)}
	}
	file, err := headDelta(c.Model)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	// The engine maps the file, which stays as long as it is mapped.
	defer os.Remove(file)
	classifier, err := bulk.Open(ctx, file, c.Model, c.cacheFlags.open(), c.Compute, configure)
	if err != nil {
		return nil, err
	}
	if _, err := classifier.Engine.Classify(ctx, classifier.Task, []runtime.Input{{Text: "bench"}}, runtime.Options{Truncate: true}); err != nil {
		return nil, errors.Join(err, classifier.Close())
	}
	return classifier, nil
}

// texts reads or makes the texts.
func (c *benchModelCmd) texts(ctx context.Context, e *runtime.Engine, s streams) (list []runtime.Input, err error) {
	if c.Input == "" {
		if list, err = syntheticTexts(ctx, e, c.Texts, c.Tokens); err != nil {
			return nil, err
		}
	} else {
		in, err := openInput(c.Input, s.in)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer in.Close()
		err = dataset.EachBatch(in, dataset.Auto, bulk.BatchTexts, func(batch []dataset.Example) error {
			list = append(list, bulk.Inputs(batch[:min(len(batch), c.Texts-len(list))])...)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("bench: %s has no texts", c.Input)
		}
	}
	if c.Sort {
		encoded, err := e.Encode(ctx, list, runtime.Options{Truncate: true})
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		order := make([]int, len(list))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return len(encoded[a].IDs) - len(encoded[b].IDs) })
		sorted := make([]runtime.Input, len(list))
		for i, j := range order {
			sorted[i] = list[j]
		}
		list = sorted
	}
	return list, nil
}

// commonWords are what synthetic texts are made of: most tokenizers have a
// token for each.
var commonWords = strings.Fields(`the of and to in a is that for it as was with be by on not he his but at are
this have from or had an they which you were all one we there her she been their more if no when what will
would who so my time out about some than them can only other new into its now two may then do first any like
people over after also work year back where how well even good way day man life world here old house great
little own state never night water place name school home small large city film long money last week card
account number river country music story word line question answer letter paper book family friend`)

// syntheticTexts makes n texts of random words. Their lengths are spread as
// those of real ones (log-normal), with the given mean in tokens.
func syntheticTexts(ctx context.Context, e *runtime.Engine, n, tokens int) ([]runtime.Input, error) {
	count := func(text string) (int, error) {
		encoded, err := e.Encode(ctx, []runtime.Input{{Text: text}}, runtime.Options{Truncate: true})
		if err != nil {
			return 0, fmt.Errorf("bench: synthetic texts: %w", err)
		}
		return len(encoded[0].IDs), nil
	}
	special, err := count("")
	if err != nil {
		return nil, err
	}
	all, err := count(strings.Join(commonWords[:64], " "))
	if err != nil {
		return nil, err
	}
	perWord := float64(max(all-special, 1)) / 64
	const spread = 0.6 // standard deviation of the length's logarithm
	rng := rand.New(rand.NewPCG(1, 2))
	texts := make([]runtime.Input, n)
	for i := range texts {
		length := float64(tokens-special) * math.Exp(rng.NormFloat64()*spread-spread*spread/2)
		var text strings.Builder
		for range max(1, int(math.Round(length/perWord))) {
			text.WriteString(commonWords[rng.IntN(len(commonWords))])
			text.WriteByte(' ')
		}
		texts[i].Text = text.String()
	}
	return texts, nil
}

// load sends texts to an engine from several goroutines, each of which waits
// for its answer before it sends the next request.
type load struct {
	engine      *runtime.Engine
	task        string
	batch       int // texts of a request
	concurrency int

	texts atomic.Int64 // classified so far
}

// passed is what one pass over all texts took.
type passed struct {
	wall    time.Duration
	texts   int
	tokens  int
	latency []time.Duration // of each request
	queue   []time.Duration
}

// pass classifies all texts once.
func (l *load) pass(ctx context.Context, texts []runtime.Input) (*passed, error) {
	requests := (len(texts) + l.batch - 1) / l.batch
	p := &passed{texts: len(texts), latency: make([]time.Duration, requests), queue: make([]time.Duration, requests)}
	var next, tokens atomic.Int64
	errs := make([]error, l.concurrency)
	var wg sync.WaitGroup
	start := time.Now()
	for client := range l.concurrency {
		wg.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= requests {
					return
				}
				begin := time.Now()
				r, err := l.engine.Classify(ctx, l.task, texts[i*l.batch:min((i+1)*l.batch, len(texts))], runtime.Options{Truncate: true})
				if err != nil {
					errs[client] = err
					return
				}
				p.latency[i], p.queue[i] = time.Since(begin), r.Queue
				tokens.Add(int64(r.Tokens))
				l.texts.Add(int64(len(r.Scores)))
			}
		})
	}
	wg.Wait()
	p.wall, p.tokens = time.Since(start), int(tokens.Load())
	return p, errors.Join(errs...)
}

// add summarises passes.
func (m *measured) add(all []*passed) {
	var latency, queue []time.Duration
	var rates []float64
	for _, p := range all {
		m.PassSeconds = append(m.PassSeconds, p.wall.Seconds())
		m.TokensPerText = float64(p.tokens) / float64(p.texts)
		rates = append(rates, float64(p.texts)/p.wall.Seconds())
		latency, queue = append(latency, p.latency...), append(queue, p.queue...)
	}
	slices.Sort(rates)
	m.TextsPerSecond = rates[len(rates)-1]
	m.TokensPerSecond = m.TextsPerSecond * m.TokensPerText
	m.MedianTexts = rates[len(rates)/2]
	m.Latency, m.Queue = quantiles(latency), quantiles(queue)
}

func quantiles(d []time.Duration) milliseconds {
	slices.Sort(d)
	at := func(q float64) float64 {
		return float64(d[int(math.Ceil(q*float64(len(d))))-1]) / float64(time.Millisecond)
	}
	return milliseconds{at(0.5), at(0.9), at(0.99), at(1)}
}

func (m *measured) print(s streams) error {
	_, err := fmt.Fprintf(s.out, `model       %s, %s, %s kernels, %d threads
texts       %d of %.1f tokens on average, %d a request, %d requests at a time
throughput  %.0f texts/s, %.0f tokens/s (fastest of %d passes; median %.0f texts/s)
latency     %s
waiting     %s
workspaces  %s
`, m.Model, m.Compute, m.Kernels, m.Threads, m.Texts, m.TokensPerText, m.Batch, m.Concurrency,
		m.TextsPerSecond, m.TokensPerSecond, len(m.PassSeconds), m.MedianTexts, m.Latency, m.Queue, size(m.WorkspaceBytes))
	return err
}

func (m milliseconds) String() string {
	return fmt.Sprintf("%.2f ms half of the requests, %.2f ms 90%%, %.2f ms 99%%, %.2f ms all", m.P50, m.P90, m.P99, m.Max)
}
