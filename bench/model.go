package bench

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"time"

	"kenserve/bulk"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/gemm/kernel"
	"kenserve/runtime"
)

// ModelReport is the throughput and latency of one task.
type ModelReport struct {
	Model         string    `json:"model"` // name of the task
	Kernels       string    `json:"kernels"`
	Compute       string    `json:"compute"`
	Threads       int       `json:"threads"`
	Texts         int       `json:"texts"`
	TokensPerText float64   `json:"tokens_per_text"`
	Batch         int       `json:"batch"`       // texts in a request
	Concurrency   int       `json:"concurrency"` // requests at a time
	PassSeconds   []float64 `json:"pass_seconds"`
	// TextsPerSecond and TokensPerSecond are those of the fastest pass.
	TextsPerSecond  float64   `json:"texts_per_second"`
	TokensPerSecond float64   `json:"tokens_per_second"`
	MedianTexts     float64   `json:"median_texts_per_second"`
	Latency         Quantiles `json:"latency_ms"` // of the requests of all passes
	Queue           Quantiles `json:"queue_ms"`   // the part of it before a request was computed
	WorkspaceBytes  int64     `json:"workspace_bytes"`
}

// OpenModel opens an engine for the whole model in the folder dir: the model is its own
// base, and the task is its head alone. configure changes the engine's configuration.
func OpenModel(ctx context.Context, dir string, cache *store.Cache, compute gemm.Compute, configure func(*runtime.Config)) (*bulk.Classifier, error) {
	file, folder, err := headDelta(dir)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer folder.Remove()
	c, err := bulk.Open(ctx, file, dir, cache, compute, configure)
	if err != nil {
		return nil, err
	}
	// A first request makes the engine map the file, which may then be removed.
	if _, err := c.Engine.Classify(ctx, c.Task, []runtime.Input{{Text: "bench"}}, runtime.Options{Truncate: true}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// ModelOptions are the options of [Model].
type ModelOptions struct {
	Batch       int          // texts in a request
	Concurrency int          // requests at a time
	Passes      int          // times that all texts are classified, after one pass to warm up
	Compute     gemm.Compute // the engine's, for the report
}

// Model measures a task in a closed loop. It calls progress with 1 after each of Passes+1
// passes. Threads in the report is GOMAXPROCS.
func Model(ctx context.Context, c *bulk.Classifier, texts []runtime.Input, o ModelOptions, progress func(passes int)) (*ModelReport, error) {
	l := closedLoop{engine: c.Engine, task: c.Task, batch: o.Batch, concurrency: o.Concurrency}
	m := &ModelReport{Model: c.Task, Compute: o.Compute.String(), Threads: goruntime.GOMAXPROCS(0), Texts: len(texts), Batch: o.Batch, Concurrency: o.Concurrency}
	level, _ := kernel.CurrentLevel()
	m.Kernels = level.String()
	var passes []*passResult
	for i := range o.Passes + 1 {
		p, err := l.pass(ctx, texts)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		progress(1)
		if i > 0 { // the first pass loaded the task and allocated buffers
			passes = append(passes, p)
		}
	}
	m.WorkspaceBytes = c.Engine.Stats().WorkspaceBytes
	m.summarise(passes)
	return m, nil
}

// summarise sets the figures that follow from the passes.
func (m *ModelReport) summarise(passes []*passResult) {
	var latency, queue []time.Duration
	var rates []float64
	for _, p := range passes {
		m.PassSeconds = append(m.PassSeconds, p.wall.Seconds())
		m.TokensPerText = float64(p.tokens) / float64(p.texts)
		rates = append(rates, float64(p.texts)/p.wall.Seconds())
		latency, queue = append(latency, p.latency...), append(queue, p.queue...)
	}
	m.TextsPerSecond = slices.Max(rates)
	m.TokensPerSecond = m.TextsPerSecond * m.TokensPerText
	m.MedianTexts = median(rates)
	m.Latency, m.Queue = quantiles(latency), quantiles(queue)
}
