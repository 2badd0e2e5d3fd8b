package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	goruntime "runtime"
	"time"

	"golang.org/x/sync/semaphore"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/runtime/internal/sched"
	"kenserve/runtime/internal/storesync"
	"kenserve/tokenizer"
)

// Config says what an engine serves and with what means.
type Config struct {
	BaseDir string      // Hugging Face folder of the base
	Store   delta.Store // where the tasks are
	// Cache is where tasks in the small layout are unpacked; nil: such tasks
	// are refused.
	Cache *delta.Cache
	// Memory bounds the resident memory of the process: base, activations,
	// tasks, the program itself and what the garbage collector works in; 0:
	// three quarters of what the process may use. See Engine.HeapLimit.
	Memory int64
	// Budget bounds the bytes of tasks in memory; 0: what Memory leaves.
	Budget int64
	// Compute is the type in which dense layers multiply: gemm.Float32 by
	// default. The narrow ones take less time or memory and round weights and
	// activations; see gemm.Compute. Heads are always float32.
	Compute gemm.Compute
	// Pin names tasks that are brought into memory when the engine is opened,
	// made hot, and never made to leave.
	Pin []string
	// Prefetch names tasks that are brought into memory when the engine is
	// opened, as far as there is room; PrefetchAll means all.
	Prefetch    []string
	PrefetchAll bool
	// Watch is how often the store is looked through for tasks that are new,
	// replaced or removed; 0: never. A large or slow store is looked through
	// less often.
	Watch time.Duration
	// Loads is the number of tasks that are loaded at a time; 0: as many as
	// Workers.
	Loads int
	// Workers is the number of cores to use; 0: all.
	Workers int
	// BatchTokens bounds a forward pass; 0: 1024. A longer text has one for
	// itself.
	BatchTokens int
	// BatchWait is how long texts wait for others that fill their batch. 0: none
	// waits while a core is idle.
	BatchWait time.Duration
	// MaxTokens bounds a text, special tokens included; 0: what the model takes.
	MaxTokens int
	// MaxWaiting bounds the requests that wait for execution; 0: 1024.
	MaxWaiting int
	// MaxWaitingTokens is how many tokens may wait when another request is
	// admitted; 0: 262144. Of one request, a few batches wait at a time.
	MaxWaitingTokens int
	// Deadline is when a request whose context has none should be done, counted
	// from its arrival. It counts for the order alone; 0: 10 seconds.
	Deadline time.Duration
	// RetryAfter is how long a failed load is remembered; 0: 5 seconds.
	RetryAfter time.Duration
	Log        *slog.Logger // nil: slog.Default()
}

func (c *Config) setDefaults() {
	if c.Memory == 0 {
		c.Memory = MachineMemory() / 4 * 3
	}
	if c.Workers == 0 {
		c.Workers = goruntime.GOMAXPROCS(0)
	}
	if c.Loads == 0 {
		c.Loads = c.Workers
	}
	if c.BatchTokens == 0 {
		c.BatchTokens = 1024
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = 1024
	}
	if c.MaxWaitingTokens == 0 {
		c.MaxWaitingTokens = 1 << 18
	}
	if c.Deadline == 0 {
		c.Deadline = 10 * time.Second
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// Engine serves the tasks of a store over one base.
type Engine struct {
	config    Config
	base      *Base
	loader    *storesync.Loader
	executor  *sched.Executor
	maxTokens int
	changes   *semaphore.Weighted // one change of the store at a time
}

// Open loads the base. Tasks are loaded when they are asked for.
func Open(ctx context.Context, config Config) (*Engine, error) {
	config.setDefaults()
	if config.Memory < 0 || config.Budget < 0 || config.Watch < 0 || config.Loads < 0 || config.Workers < 0 || config.BatchTokens < 0 || config.MaxTokens < 0 || config.MaxWaiting < 0 || config.MaxWaitingTokens < 0 || config.BatchWait < 0 || config.Deadline < 0 || config.RetryAfter < 0 {
		return nil, errors.New("runtime: open engine: a bound in the configuration is negative")
	}
	base, err := OpenBase(config.BaseDir, config.Compute)
	if err != nil {
		return nil, err
	}
	budget := config.Budget
	if budget == 0 {
		_, mapped := base.mappedBytes()
		fixed := base.Bytes() + mapped
		if budget = taskBudget(config.Memory, fixed); budget <= 0 {
			_ = base.Close()
			return nil, fmt.Errorf("runtime: open engine: the base takes %d bytes: %d for everything are not enough", fixed, config.Memory)
		}
	}
	e := &Engine{config: config, base: base, maxTokens: base.Arch.MaxTokens(), changes: semaphore.NewWeighted(1)}
	if config.MaxTokens > 0 {
		e.maxTokens = min(e.maxTokens, config.MaxTokens)
	}
	e.executor = sched.New(config.Workers, sched.Limits{
		BatchTokens: config.BatchTokens, MaxRequests: config.MaxWaiting, MaxTokens: config.MaxWaitingTokens, BatchWait: config.BatchWait,
	}, time.Now)
	l := storesync.Config{
		Store: config.Store, Base: planner{base, config.Cache}, Budget: budget, Idle: e.executor.Idle,
		RetryAfter: config.RetryAfter, Loads: config.Loads, MaxWaiting: config.MaxWaiting,
		Pin: config.Pin, Prefetch: config.Prefetch, PrefetchAll: config.PrefetchAll, Watch: config.Watch, Log: config.Log,
	}
	if config.Budget == 0 {
		l.Activations = e.executor.WorkspaceBytes
	}
	if e.loader, err = storesync.Open(ctx, l); err != nil {
		e.executor.Close()
		_ = base.Close()
		return nil, fmt.Errorf("runtime: open engine: %w", err)
	}
	return e, nil
}

// HeapLimit returns what debug.SetMemoryLimit should be given so that the
// process keeps within Config.Memory: the garbage collector then works harder
// before it is exceeded. What is mapped from files is not Go's and taken off.
func (e *Engine) HeapLimit() int64 {
	tables, rest := e.base.mappedBytes()
	return e.config.Memory - tables - rest - programBytes
}

// Close ends the engine: requests that come later fail with ErrClosed, those
// under way are finished first.
func (e *Engine) Close() error {
	e.loader.Close()
	e.executor.Close()
	return e.base.Close()
}

// Base returns the base that the engine serves.
func (e *Engine) Base() *Base { return e.base }

// Ready reports why the engine cannot serve, or nil.
func (e *Engine) Ready() error {
	return e.loader.Ready()
}

// Classify scores the inputs with a task, loading it if need be. Errors that a
// caller may have to tell apart are the package's Err variables; one about a
// single input is an *InputError.
func (e *Engine) Classify(ctx context.Context, name string, inputs []Input, opts Options) (*Result, error) {
	if !delta.ValidTask(name) {
		return nil, fmt.Errorf("runtime: task %q: %w", name, ErrNoTask)
	}
	start := time.Now()
	handle, err := e.loader.Acquire(ctx, name)
	spanLoad(ctx, name, start)
	if err != nil {
		return nil, err
	}
	defer handle.Release()
	t := taskOf(handle)

	r := &Result{Task: name, Labels: t.labels, Problem: t.problem, Scores: make([][]float32, len(inputs))}
	logits := make([]float32, len(inputs)*len(t.labels))
	for i := range r.Scores {
		r.Scores[i] = logits[i*len(t.labels):][:len(t.labels):len(t.labels)]
	}
	if err := e.compute(ctx, handle, inputs, opts, r, logits); err != nil {
		return nil, err
	}
	if i := firstNotFinite(logits); i >= 0 {
		return nil, fmt.Errorf("runtime: task %s: input %d, label %s: the weights give %g", name, i/len(t.labels), t.labels[i%len(t.labels)], logits[i])
	}
	for _, scores := range r.Scores {
		if !opts.Raw {
			t.problem.Scores(scores)
		}
	}
	return r, nil
}

// firstNotFinite returns the index of the first NaN or infinity, or -1: what
// weights that overflow end in.
func firstNotFinite(x []float32) int {
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return i
		}
	}
	return -1
}

// appendTokens appends an input's tokens. They are checked here, so that they
// cannot fail a batch that others share: ids that come from outside, and those
// of a tokenizer that adds no special tokens or has more than the model.
func (e *Engine) appendTokens(tokens *tokenizer.Encoding, input Input, o tokenizer.Options) error {
	if input.IDs == nil {
		first := len(tokens.IDs)
		if err := e.base.Tokenizer.AppendEncode(tokens, input.Text, input.Pair, o); err != nil {
			return fmt.Errorf("runtime: tokenize: %w", err)
		}
		batch := models.Batch{IDs: tokens.IDs[first:], Ends: []int{len(tokens.IDs) - first}}
		if err := batch.Check(models.Limits{Vocabulary: e.base.vocabulary(), Tokens: o.MaxTokens}); err != nil {
			return fmt.Errorf("runtime: %w", err)
		}
		return nil
	}
	ids, types := input.IDs, input.types
	if types == nil {
		types = make([]int32, len(ids))
	}
	if n := len(ids) - o.MaxTokens; n > 0 {
		tokens.Dropped += n
		if o.Direction == tokenizer.Left {
			ids, types = ids[n:], types[n:]
		} else {
			ids, types = ids[:o.MaxTokens], types[:o.MaxTokens]
		}
	}
	batch := models.Batch{IDs: ids, Ends: []int{len(ids)}}
	if err := batch.Check(models.Limits{Vocabulary: min(e.base.Tokenizer.Size(), e.base.vocabulary()), Tokens: o.MaxTokens}); err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	tokens.IDs = append(tokens.IDs, ids...)
	tokens.TypeIDs = append(tokens.TypeIDs, types...)
	tokens.Special = append(tokens.Special, make([]bool, len(ids))...)
	return nil
}

// Stats returns a snapshot of the engine's counters.
func (e *Engine) Stats() Stats {
	tasks, batches := e.loader.Stats(), e.executor.Stats()
	return Stats{
		BaseBytes: e.base.Bytes(),
		TaskBytes: tasks.TaskBytes, BudgetBytes: tasks.BudgetBytes, HotBytes: tasks.HotBytes, WarmBytes: tasks.WarmBytes,
		StoreTasks: tasks.StoreTasks, Resident: tasks.Resident, HotTasks: tasks.HotTasks, WarmTasks: tasks.WarmTasks, PinnedTasks: tasks.PinnedTasks,
		Hits: tasks.Hits, Misses: tasks.Misses, Loads: tasks.Loads, LoadErrors: tasks.LoadErrors,
		Promotions: tasks.Promotions, Demotions: tasks.Demotions, Evictions: tasks.Evictions, Replacements: tasks.Replacements,
		LoadSeconds: tasks.LoadSeconds, LoadQueueSeconds: tasks.LoadQueueSeconds, LoadsWaiting: tasks.LoadsWaiting,
		Batches: batches.Batches, Tokens: batches.Tokens,
		Waiting: batches.Waiting, WaitingTokens: batches.WaitingTokens, WorkspaceBytes: batches.WorkspaceBytes,
	}
}

// Tasks lists the tasks of the store, sorted by name.
func (e *Engine) Tasks() ([]TaskInfo, error) {
	items, err := e.loader.List()
	if err != nil {
		return nil, fmt.Errorf("runtime: list tasks: %w", err)
	}
	out := make([]TaskInfo, len(items))
	for i, item := range items {
		out[i] = e.describe(item.Task)
	}
	return out, nil
}

// Task describes one task of the store. What is in memory is known without
// asking the store; a store that cannot be read has no others.
func (e *Engine) Task(name string) (TaskInfo, bool) {
	if !delta.ValidTask(name) {
		return TaskInfo{}, false
	}
	if t := e.describe(name); t.Residency != Cold {
		return t, true
	}
	if _, err := e.loader.Stat(name); err != nil {
		if !errors.Is(err, delta.ErrNotFound) {
			e.config.Log.Error("look for a task", "task", name, "error", err)
		}
		return TaskInfo{}, false
	}
	return e.describe(name), true
}

// describe returns what is known of a task without asking the store.
func (e *Engine) describe(name string) TaskInfo {
	info := e.loader.Describe(name)
	residency := Cold
	switch {
	case info.Hot:
		residency = Hot
	case info.Loaded:
		residency = Warm
	}
	return TaskInfo{
		Name: name, Labels: info.Labels, Residency: residency, Bytes: info.Bytes, Pinned: info.Pinned,
		Requests: info.Requests, Hits: info.Hits, Loads: info.Loads, LoadTime: info.LoadTime,
		Promotions: info.Promotions, LastUsed: info.LastUsed, Problem: info.Problem,
	}
}
