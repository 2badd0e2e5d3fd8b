package runtime

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/semaphore"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/internal/memory"
	"kenserve/runtime/internal/sched"
	"kenserve/runtime/internal/storesync"
)

// Engine serves the tasks of a store over one base.
type Engine struct {
	config    Config
	base      *Base
	loader    *storesync.Loader
	executor  *sched.Executor
	maxTokens int
	density   tokenDensity
	account   *memory.Account
	// encoding bounds the large calls that are tokenised at a time. Without it the
	// goroutines of many large calls, all ready to run, would each get their turn before
	// the one of a small call.
	encoding *semaphore.Weighted
	changes  *semaphore.Weighted // one change of the store at a time
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
	tables, rest := base.mappedBytes()
	fixed := base.Bytes() + rest
	parts := divide(config.Memory, fixed)
	budget := config.Budget
	if budget == 0 {
		if budget = parts.tasks; budget <= 0 {
			_ = base.close()
			return nil, fmt.Errorf("runtime: open engine: Config.Memory is %d bytes: too few for the base, which takes %d, and tasks", config.Memory, fixed)
		}
	}
	heap := config.Memory - tables - rest - programBytes
	var room *heapRoom
	if config.LimitHeap != nil {
		room = newHeapRoom(heap, slackBytes(config.Memory), config.LimitHeap)
	}
	e := &Engine{config: config, base: base, maxTokens: base.Arch.MaxTokens(), account: memory.New(max(parts.requests, minRequestBytes)), changes: semaphore.NewWeighted(1), encoding: semaphore.NewWeighted(int64(config.Workers))}
	if config.MaxTokens > 0 {
		e.maxTokens = min(e.maxTokens, config.MaxTokens)
	}
	if room != nil {
		e.account.RefuseLargeWhile(room.behind)
	}
	e.executor = sched.New(sched.Config{
		Cores: config.Workers, BatchTokens: config.BatchTokens, BatchWait: config.BatchWait,
		MaxWaitingRequests: config.MaxWaiting, MaxWaitingTokens: config.MaxWaitingTokens,
	})
	l := storesync.Config{
		Store: config.Store, Base: planner{base, config.Cache, room}, Budget: budget, Idle: e.executor.Idle,
		RetryAfter: config.RetryAfter, Loads: config.Loads, MaxWaiting: config.MaxWaiting,
		Pin: config.Pin, Prefetch: config.Prefetch, PrefetchAll: config.PrefetchAll, Watch: config.Watch, Log: config.Log,
	}
	if config.Budget == 0 {
		reserved := int64(config.Workers) * activationBytes(base.parameters, max(config.BatchTokens, e.maxTokens))
		l.Activations = func() int64 { return max(reserved, e.executor.WorkspaceBytes()) }
	}
	if e.loader, err = storesync.Open(ctx, l); err != nil {
		e.executor.Close()
		_ = base.close()
		return nil, fmt.Errorf("runtime: open engine: %w", err)
	}
	return e, nil
}

// Requests returns the account of the memory that requests take, the engine's own part
// of them included. A caller that serves requests takes what it needs for them from it,
// and gives each request's context a loan.
func (e *Engine) Requests() *memory.Account { return e.account }

// Close waits for the requests in progress and releases everything. Later
// requests fail with ErrClosed.
func (e *Engine) Close() error {
	e.loader.Close()
	e.executor.Close()
	return e.base.close()
}

// Base returns the base, which is valid until Close.
func (e *Engine) Base() *Base { return e.base }

// Ready returns nil, or why the engine cannot serve all tasks: it is closed, or
// its store cannot be listed.
func (e *Engine) Ready() error {
	return e.loader.Ready()
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

// Task describes one task of the store. A task in memory is described without a
// look at the store. If the store cannot be read, other tasks are not found.
func (e *Engine) Task(name string) (TaskInfo, bool) {
	if !delta.ValidTask(name) {
		return TaskInfo{}, false
	}
	if t := e.describe(name); t.Residency != Cold {
		return t, true
	}
	if _, err := e.loader.Stat(name); err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			e.config.Log.Error("task not looked up", "task", name, "error", err)
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
