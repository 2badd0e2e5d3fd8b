package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"kenserve/delta"
	"kenserve/internal/memory"
	"kenserve/runtime/internal/failure"
	"kenserve/runtime/internal/sched"
	"kenserve/runtime/internal/storesync"
	"kenserve/safetensors"
)

// Engine serves the tasks of a store over one base.
type Engine struct {
	config   Config
	base     *Base
	own      *tokenizers // of tasks that do not have the base's
	loader   *storesync.Loader
	executor *sched.Executor
	density  tokenDensity
	account  *memory.Account
	// encoding bounds the large calls that are tokenised at a time. Without it the
	// goroutines of many large calls, all ready to run, would each get their turn before
	// the one of a small call.
	encoding *semaphore.Weighted
	changes  *semaphore.Weighted // one change of the store at a time
	watch    *baseWatch
	reserved atomic.Int64 // see Reserve
}

// Open loads the base and lists the store. Tasks are loaded when a request asks
// for them. The caller closes the engine.
func Open(ctx context.Context, config Config) (*Engine, error) {
	config.setDefaults()
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("runtime: open engine: %w", err)
	}
	base, err := openBase(config.BaseDir, config.Compute)
	if err != nil {
		return nil, err
	}
	parts := divide(config.Memory, base.Bytes())
	budget := config.Budget
	if budget == 0 {
		if budget = parts.tasks; budget <= 0 {
			return nil, fmt.Errorf("runtime: open engine: Config.Memory is %d bytes: too few for the base, which takes %d, and tasks", config.Memory, base.Bytes())
		}
	}
	var room *heapRoom
	if config.LimitHeap != nil {
		room = newHeapRoom(config.Memory-programBytes-safetensors.SpareBytes, slackBytes(config.Memory), config.LimitHeap)
	}
	e := &Engine{
		config: config, base: base, own: &tokenizers{}, account: memory.New(max(parts.requests, minRequestBytes)),
		changes: semaphore.NewWeighted(1), encoding: semaphore.NewWeighted(int64(config.Workers)),
	}
	if room != nil {
		e.account.RefuseLargeWhile(room.behind)
	}
	e.executor = sched.New(sched.Config{
		Cores: config.Workers, BatchTokens: config.BatchTokens, BatchWait: config.BatchWait,
		MaxWaitingRequests: config.MaxWaiting, MaxWaitingTokens: config.MaxWaitingTokens,
	})
	l := storesync.Config{
		Store: config.Store, Base: planner{base, e.own, config.Cache, room}, Budget: budget, Idle: e.executor.Idle, Probe: e.probe,
		RetryAfter: config.RetryAfter, Loads: config.Loads, MaxWaiting: config.MaxWaiting,
		Pin: config.Pin, Prefetch: config.Prefetch, PrefetchAll: config.PrefetchAll, Watch: config.Watch, Log: config.Log,
	}
	l.Activations = func() int64 { return e.own.memory() + e.reserved.Load() }
	if config.Budget == 0 {
		workspaces := int64(config.Workers) * activationBytes(base.parameters, max(config.BatchTokens, e.MaxTokens()))
		l.Activations = func() int64 { return max(workspaces, e.executor.WorkspaceBytes()) + e.own.memory() + e.reserved.Load() }
	}
	if e.loader, err = storesync.Open(ctx, l); err != nil {
		e.executor.Close()
		return nil, fmt.Errorf("runtime: open engine: %w", err)
	}
	e.watch = watchBase(base.files, config.Watch, config.Log)
	return e, nil
}

// Requests returns the account of the memory that requests take, the engine's own part
// of them included. A caller that serves requests takes what it needs for them from it,
// and gives each request's context a loan.
func (e *Engine) Requests() *memory.Account { return e.account }

// reserveShare is the share, one in reserveShare, of the tasks' memory that Reserve leaves.
const reserveShare = 4

// Reserve takes bytes from the memory of the tasks, for work beside the requests, until
// release is called. Tasks are evicted when the next one is loaded. The error is an
// ErrNoMemory if less than a quarter of the memory would be left.
func (e *Engine) Reserve(bytes int64) (release func(), err error) {
	for {
		before := e.reserved.Load()
		budget := e.loader.Stats().BudgetBytes + before
		if free := budget - budget/reserveShare - before; bytes > free {
			return nil, fmt.Errorf("runtime: %w: %d bytes are needed, and %d can be taken from the tasks", ErrNoMemory, bytes, max(0, free))
		}
		if e.reserved.CompareAndSwap(before, before+bytes) {
			return sync.OnceFunc(func() { e.reserved.Add(-bytes) }), nil
		}
	}
}

// Idle tells whether nothing is computed and no request waits.
func (e *Engine) Idle() bool { return e.executor.Idle() }

// BaseFloat32Bytes returns the size of the base's weights in float32.
func (e *Engine) BaseFloat32Bytes() int64 { return e.base.float32Bytes() }

// Close waits for the requests in progress and releases everything. Later
// requests fail with ErrClosed.
func (e *Engine) Close() error {
	e.watch.close()
	e.loader.Close()
	e.executor.Close()
	return nil
}

// Base returns the base, which is valid until Close.
func (e *Engine) Base() *Base { return e.base }

// Ready returns nil, or why the engine cannot serve all tasks or should not be relied
// on: it is closed, its store cannot be listed, or it is an ErrBaseChanged.
func (e *Engine) Ready() error {
	if err := e.loader.Ready(); err != nil {
		return err
	}
	return e.watch.ready()
}

// Stats returns a snapshot of the engine's counters.
func (e *Engine) Stats() Stats {
	tasks, batches := e.loader.Stats(), e.executor.Stats()
	return Stats{
		BaseBytes: e.base.Bytes(), BaseChanged: e.watch.ready() != nil,
		TaskBytes: tasks.TaskBytes, BudgetBytes: tasks.BudgetBytes, HotBytes: tasks.HotBytes, WarmBytes: tasks.WarmBytes,
		StoreTasks: tasks.StoreTasks, Resident: tasks.Resident, HotTasks: tasks.HotTasks, WarmTasks: tasks.WarmTasks,
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

// Task describes one task of the store. A task in memory is described without a
// look at the store. The error of another one is an ErrNoTask, or an ErrStoreAway or
// ErrTaskUnusable if the store cannot say whether it has the task.
func (e *Engine) Task(name string) (TaskInfo, error) {
	if !delta.ValidTask(name) {
		return TaskInfo{}, fmt.Errorf("runtime: task %q: %w", name, ErrNoTask)
	}
	if t := e.describe(name); t.Residency != Cold {
		return t, nil
	}
	if _, err := e.loader.Stat(name); errors.Is(err, context.Canceled) {
		return TaskInfo{}, ErrClosed
	} else if err != nil {
		return TaskInfo{}, failure.Unusable(name, err)
	}
	return e.describe(name), nil
}

// Problems returns why the store's present deltas of tasks are not served, by task. It
// has tasks only that somebody has asked for.
func (e *Engine) Problems() map[string]string { return e.loader.Problems() }

// Digests returns the SHA-256 of the deltas in memory, by task.
func (e *Engine) Digests() map[string]string { return e.loader.Digests() }

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
		Name: name, Labels: info.Labels, Thresholds: info.Thresholds, Residency: residency, Bytes: info.Bytes, Pinned: info.Pinned,
		Requests: info.Requests, Hits: info.Hits, Loads: info.Loads, LoadTime: info.LoadTime,
		Promotions: info.Promotions, LastUsed: info.LastUsed, Problem: info.Problem, Digest: info.Digest,
	}
}
