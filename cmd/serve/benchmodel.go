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
	Model       string       `arg:"" placeholder:"FILE.ken|DIR" help:"Delta file, or Hugging Face folder of a whole model, which is measured as its own base with its own head or, if it has none, a random one."`
	Base        string       `type:"model" placeholder:"DIR" help:"Hugging Face folder of the delta's base, or ORG/NAME of a model that \"kenserve pull\" downloaded. Only for a delta."`
	Input       string       `placeholder:"FILE" help:"File with texts: one a line, JSON lines {\"text\", \"text_pair\"}, a JSON array, CSV or TSV; - means standard input (default: synthetic texts)."`
	Texts       int          `default:"512" placeholder:"N" help:"Number of synthetic texts, or maximum number of texts to read from --input (default ${default})."`
	Tokens      int          `default:"25" placeholder:"N" help:"Mean number of tokens in a synthetic text, special tokens included (default ${default})."`
	Batch       int          `default:"1" placeholder:"N" help:"Number of texts in a request (default ${default})."`
	Sort        bool         `help:"Sort the texts by their number of tokens."`
	Concurrency int          `default:"1" placeholder:"N" help:"Number of requests at a time (default ${default})."`
	Threads     int          `placeholder:"N" help:"Number of cores to use (default: all)."`
	Passes      int          `default:"3" placeholder:"N" help:"Number of times that all texts are classified, after one pass to warm up (default ${default}). The fastest pass counts."`
	BatchTokens int          `default:"1024" placeholder:"N" help:"Maximum number of tokens in one forward pass (default ${default})."`
	Compute     gemm.Compute `default:"float32" placeholder:"TYPE" help:"Number type of products in dense layers: float32, bfloat16 or int8 (default ${default}). bfloat16 and int8 are less exact, and faster where the processor supports them."`
	JSON        bool         `name:"json" help:"Print the result as JSON."`
	dataFlags
	cacheFlags
}

func (c *benchModelCmd) Run(ctx context.Context, s streams) error {
	for name, n := range map[string]int{"texts": c.Texts, "tokens": c.Tokens, "batch": c.Batch, "concurrency": c.Concurrency, "passes": c.Passes, "batch-tokens": c.BatchTokens} {
		if n < 1 {
			return usageError{fmt.Errorf("bench: --%s is %d; it must be positive", name, n)}
		}
	}
	if c.Threads < 0 {
		return usageError{fmt.Errorf("bench: --threads is %d; it must not be negative", c.Threads)}
	}
	if c.Threads > 0 {
		defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(c.Threads))
	}
	classifier, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer classifier.Close()
	texts, err := c.texts(ctx, s, classifier.Engine)
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
			return nil, usageError{fmt.Errorf("bench: --base is required for the delta %s", c.Model)}
		}
		return bulk.Open(ctx, c.Model, c.Base, c.cacheFlags.open(), c.Compute, configure)
	}
	if c.Base != "" {
		return nil, usageError{fmt.Errorf("bench: %s is the folder of a whole model; --base is only valid with a delta", c.Model)}
	}
	return bench.OpenModel(ctx, c.Model, c.cacheFlags.open(), c.Compute, configure)
}

// texts reads or makes the texts.
func (c *benchModelCmd) texts(ctx context.Context, s streams, e *runtime.Engine) ([]runtime.Input, error) {
	list, err := c.unsortedTexts(ctx, s, e)
	if err != nil || !c.Sort {
		return list, err
	}
	return bench.SortByLength(ctx, e, list)
}

func (c *benchModelCmd) unsortedTexts(ctx context.Context, s streams, e *runtime.Engine) ([]runtime.Input, error) {
	if c.Input == "" {
		return bench.SyntheticTexts(ctx, e, c.Texts, c.Tokens)
	}
	in, err := openData(c.Input, s, "bench", c.dataFlags.options())
	if err != nil {
		return nil, err
	}
	defer in.Close()
	list, err := bench.ReadTexts(in, c.Texts)
	reportIgnored(in, s, "bench")
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
		m.TextsPerSecond, m.TokensPerSecond, len(m.PassSeconds), m.MedianTexts, formatQuantiles(m.Latency), formatQuantiles(m.Queue), formatSize(m.WorkspaceBytes))
	return err
}
