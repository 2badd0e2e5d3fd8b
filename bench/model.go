// Package bench measures this machine: throughput and latency of a task and of many,
// and kernels.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"time"

	"kenserve/bulk"
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/runtime"
)

// ModelReport is the throughput and latency of one task.
type ModelReport struct {
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
	TextsPerSecond  float64   `json:"texts_per_second"`
	TokensPerSecond float64   `json:"tokens_per_second"`
	MedianTexts     float64   `json:"median_texts_per_second"`
	Latency         Quantiles `json:"latency_ms"` // of requests
	Queue           Quantiles `json:"queue_ms"`   // of requests, before they were computed
	WorkspaceBytes  int64     `json:"workspace_bytes"`
}

// OpenModel opens an engine with a whole model, of the folder dir, as its own base with
// nothing but a head above it.
func OpenModel(ctx context.Context, dir string, cache *delta.Cache, compute gemm.Compute, configure func(*runtime.Config)) (*bulk.Classifier, error) {
	file, err := headDelta(dir)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	// The engine maps the file, which stays as long as it is mapped.
	defer os.Remove(file)
	classifier, err := bulk.Open(ctx, file, dir, cache, compute, configure)
	if err != nil {
		return nil, err
	}
	if _, err := classifier.Engine.Classify(ctx, classifier.Task, []runtime.Input{{Text: "bench"}}, runtime.Options{Truncate: true}); err != nil {
		return nil, errors.Join(err, classifier.Close())
	}
	return classifier, nil
}

// ModelOptions say how texts are sent.
type ModelOptions struct {
	Batch       int // texts of a request
	Concurrency int // requests at a time
	Passes      int // times that all texts are classified, after one to warm up
}

// Model measures a task. progress is called with 1 after every pass.
func Model(ctx context.Context, c *bulk.Classifier, texts []runtime.Input, o ModelOptions, progress func(passes int)) (*ModelReport, error) {
	l := load{engine: c.Engine, task: c.Task, batch: o.Batch, concurrency: o.Concurrency}
	m := &ModelReport{Model: c.Task, Threads: goruntime.GOMAXPROCS(0), Texts: len(texts), Batch: o.Batch, Concurrency: o.Concurrency}
	m.Kernels, _ = gemm.Kernels()
	var all []*passed
	for i := range o.Passes + 1 {
		p, err := l.pass(ctx, texts)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		progress(1)
		if i > 0 { // the first has loaded the task and grown the buffers
			all = append(all, p)
		}
	}
	m.WorkspaceBytes = c.Engine.Stats().WorkspaceBytes
	m.add(all)
	return m, nil
}

// add summarises passes.
func (m *ModelReport) add(all []*passed) {
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
