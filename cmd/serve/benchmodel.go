package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	goruntime "runtime"

	"kenserve/bench"
	"kenserve/bulk"
	"kenserve/gemm"
	"kenserve/runtime"
)

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
	texts, err := c.texts(ctx, classifier.Engine, s)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, "passes", c.Passes+1)
	m, err := bench.Model(ctx, classifier, texts, bench.ModelOptions{Batch: c.Batch, Concurrency: c.Concurrency, Passes: c.Passes, Compute: c.Compute}, bar.add)
	bar.finish()
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(m)
	}
	return printModel(s, m)
}

// open opens an engine with the task to measure.
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
	return bench.OpenModel(ctx, c.Model, c.cacheFlags.open(), c.Compute, configure)
}

// texts reads or makes the texts.
func (c *benchModelCmd) texts(ctx context.Context, e *runtime.Engine, s streams) ([]runtime.Input, error) {
	list, err := c.unsorted(ctx, e, s)
	if err != nil || !c.Sort {
		return list, err
	}
	return bench.SortByLength(ctx, e, list)
}

func (c *benchModelCmd) unsorted(ctx context.Context, e *runtime.Engine, s streams) ([]runtime.Input, error) {
	if c.Input == "" {
		return bench.SyntheticTexts(ctx, e, c.Texts, c.Tokens)
	}
	in, err := openInput(c.Input, s.in)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer in.Close()
	list, err := bench.ReadTexts(in, c.Texts)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("bench: %s has no texts", c.Input)
	}
	return list, err
}

func printModel(s streams, m *bench.ModelReport) error {
	_, err := fmt.Fprintf(s.out, `model       %s, %s, %s kernels, %d threads
texts       %d of %.1f tokens on average, %d a request, %d requests at a time
throughput  %.0f texts/s, %.0f tokens/s (fastest of %d passes; median %.0f texts/s)
latency     %s
waiting     %s
workspaces  %s
`, m.Model, m.Compute, m.Kernels, m.Threads, m.Texts, m.TokensPerText, m.Batch, m.Concurrency,
		m.TextsPerSecond, m.TokensPerSecond, len(m.PassSeconds), m.MedianTexts, quantiles(m.Latency), quantiles(m.Queue), size(m.WorkspaceBytes))
	return err
}

// quantiles prints quantiles of a latency.
func quantiles(m bench.Quantiles) string {
	return fmt.Sprintf("%.2f ms half of the requests, %.2f ms 90%%, %.2f ms 99%%, %.2f ms all", m.P50, m.P90, m.P99, m.Max)
}
