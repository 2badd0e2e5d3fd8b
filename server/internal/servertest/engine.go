// Package servertest has what tests of the server and of its APIs share: an
// engine that computes scores from words, and requests with the answers that
// clients rely on.
package servertest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/models"
	"kenserve/runtime"
)

// Engine is a fake engine. It computes scores from the words of a text; some of its
// tasks always fail, each in one way.
type Engine struct {
	Labels  map[string][]string // of each task; nil: never loaded
	Fail    map[string]error    // errors of Classify, by task
	Unready error               // error of Ready and Tasks

	taskProblems map[string]string // of Problems
	Counters     runtime.Stats
	// Before, if not nil, runs at the beginning of Classify.
	Before func(ctx context.Context, task string) error

	Started, Finished atomic.Int64 // calls of Classify

	Did     []string // loads and unloads
	MoveErr error    // of Load and Unload

	// Deltas of the store, by task. A delta is the labels of its task, joined by commas.
	Deltas   map[string]string
	ReadOnly bool
	Sizes    []int64       // arguments of Put
	Entered  chan struct{} // if not nil, Put sends to it and waits for Leave
	Leave    chan struct{}
	mu       sync.Mutex
}

// maxTokens is the window of the model.
const maxTokens = 16

// NewEngine returns an engine with tasks that work and tasks that fail.
func NewEngine() *Engine {
	return &Engine{
		Labels: map[string][]string{
			"trec":          {"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"},
			"sst2":          {"negative", "positive"},
			"odd":           {`a "quoted" \ label`, "line\nbreak", "naïve\xff", "日本"},
			"nan":           {"yes", "no"},
			"short":         {"yes", "no"},
			"few":           {"yes", "no"},
			"panics":        {"yes", "no"},
			"damaged":       nil,
			"busy":          nil,
			"closed":        nil,
			"unknown":       nil,
			"untokenizable": {"yes", "no"},
		},
		Deltas: map[string]string{"sst2": "negative,positive"},
		Fail: map[string]error{
			"damaged": fmt.Errorf("runtime: task damaged: %w: its delta is damaged", runtime.ErrTaskUnusable),
			"busy":    fmt.Errorf("runtime: task busy: %w", runtime.ErrBusy),
			"closed":  fmt.Errorf("runtime: %w", runtime.ErrClosed),
			"unknown": errors.New("runtime: read /var/lib/store/unknown.ken: input/output error"),
		},
		Counters: runtime.Stats{
			BaseBytes: 1000, TaskBytes: 200, BudgetBytes: 5000, Resident: 2, Loads: 7, LoadErrors: 1,
			Evictions: 3, LoadSeconds: 1.5, Batches: 40, Tokens: 900, Waiting: 4, WaitingTokens: 120, WorkspaceBytes: 7000,
		},
	}
}

// Classify implements [core.Engine].
func (e *Engine) Classify(ctx context.Context, task string, inputs []runtime.Input, opts runtime.Options) (*runtime.Result, error) {
	e.Started.Add(1)
	if e.Before != nil {
		if err := e.Before(ctx, task); err != nil {
			return nil, err
		}
	}
	labels, ok := e.Labels[task]
	if !ok {
		return nil, fmt.Errorf("runtime: task %s: %w", task, runtime.ErrNoTask)
	}
	if err := e.Fail[task]; err != nil {
		return nil, err
	}
	r := &runtime.Result{Task: task, Digest: digestOf(task), Labels: labels, Queue: 250 * time.Microsecond, Inference: 1500 * time.Microsecond}
	for i, in := range inputs {
		words := strings.Fields(in.Text)
		tokens := 2 + len(words)
		if opts.NoSpecialTokens {
			tokens = len(words)
		}
		if in.IDs != nil {
			tokens = len(in.IDs)
			for _, id := range in.IDs {
				if id > 1000 {
					return nil, &runtime.InputError{Index: i, Err: fmt.Errorf("runtime: %w: id %d", models.ErrBatch, id)}
				}
				words = append(words, strconv.Itoa(int(id)))
			}
		}
		if in.Pair != nil {
			pair := strings.Fields(*in.Pair)
			tokens += 1 + len(pair)
			words = append(words, pair...)
		}
		limit := maxTokens
		if opts.MaxTokens > 0 {
			limit = min(limit, opts.MaxTokens)
		}
		if tokens > limit {
			if !opts.Truncate {
				return nil, &runtime.InputError{Index: i, Err: fmt.Errorf("%w: %d tokens, model takes %d", runtime.ErrTooLong, tokens, limit)}
			}
			if opts.TruncateAt == runtime.Start {
				words = words[tokens-limit:]
			}
			tokens = limit
		}
		if task == "untokenizable" {
			return nil, &runtime.InputError{Index: i, Err: errors.New("runtime: tokenize: /var/lib/base/tokenizer.json does not know this")}
		}
		r.Tokens += tokens
		r.Scores = append(r.Scores, Scores(words, len(labels), opts.Raw))
	}
	if len(inputs) == 0 { // asked for the labels
		return r, nil
	}
	switch task {
	case "nan":
		r.Scores[len(inputs)-1][1] = float32(math.NaN())
	case "short":
		r.Scores[0] = r.Scores[0][:1]
	case "few":
		r.Scores = r.Scores[1:]
	case "panics":
		panic("a fault of /usr/lib/engine")
	}
	e.Finished.Add(1)
	return r, nil
}

// Scores returns fractions with a power of two as denominator, so that their decimals
// are exact on every machine.
func Scores(words []string, labels int, raw bool) []float32 {
	scores := make([]float32, labels)
	for j := range scores {
		sum := 0
		for i, w := range words {
			sum += (i + 1) * (len(w) + 3*j)
		}
		scores[j] = float32((sum+5*j)%32) / 32
		if raw {
			scores[j] = 8*scores[j] - 4
		}
	}
	return scores
}

func (e *Engine) info(name string) runtime.TaskInfo {
	info := runtime.TaskInfo{Name: name, Residency: runtime.Cold}
	if name == "trec" {
		info.Labels = e.Labels[name]
		info.Residency = runtime.Hot
		info.Bytes = 4096
		info.Digest = digestOf(name)
		info.Requests = 12
		info.LastUsed = time.Date(2025, 11, 24, 17, 0, 0, 123456789, time.FixedZone("", 3600))
	}
	return info
}

// Tasks implements [core.Engine].
func (e *Engine) Tasks() ([]runtime.TaskInfo, error) {
	if e.Unready != nil {
		return nil, e.Unready
	}
	names := make([]string, 0, len(e.Labels))
	for name := range e.Labels {
		names = append(names, name)
	}
	sort.Strings(names)
	var infos []runtime.TaskInfo
	for _, name := range names {
		infos = append(infos, e.info(name))
	}
	return infos, nil
}

// Task implements [core.Engine].
func (e *Engine) Task(name string) (runtime.TaskInfo, error) {
	if _, ok := e.Labels[name]; !ok {
		return runtime.TaskInfo{}, fmt.Errorf("runtime: task %s: %w", name, runtime.ErrNoTask)
	}
	return e.info(name), nil
}

// Problems implements the engine of package server.
func (e *Engine) Problems() map[string]string { return e.taskProblems }

// Digests implements the engine of package server.
func (e *Engine) Digests() map[string]string { return map[string]string{"trec": digestOf("trec")} }

// digestOf returns the digest of the delta of a task.
func digestOf(task string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(task)))
}

// Stats returns the counters.
func (e *Engine) Stats() runtime.Stats { return e.Counters }

// Ready implements [core.Engine].
func (e *Engine) Ready() error { return e.Unready }
