// Package storesync keeps memory in step with the store: it loads the tasks that
// requests ask for, makes popular ones hot, and takes up what has changed in the
// store.
//
// Package cache decides, and this package acts. A [Loader] owns a cache and the
// mutex for it. It has the goroutines that read deltas, copy weights and watch
// the store, and it lets requests wait. The mutex is never held while anything
// is read, copied or waited for. So a request for a task in memory waits neither
// for loads nor for room, and a load that waits for room gets it when the
// requests in progress have finished.
//
// It knows no weights: [Base] and [Task] are implemented by package runtime.
package storesync

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"kenserve/delta/store"
	"kenserve/models"
	"kenserve/runtime/internal/cache"
	"kenserve/runtime/internal/failure"
)

// Base makes tasks of delta files.
type Base interface {
	// Plan opens a delta file and checks it against the base.
	Plan(file store.File) (Plan, error)
	// OverheadBytes bounds what a usual task takes beside its file.
	OverheadBytes() int64
}

// Plan is an opened and checked delta.
type Plan interface {
	// WarmBytes returns what the loaded task takes.
	WarmBytes() int64
	// Load returns the task, which owns the delta from then on.
	Load() (Task, error)
	// Close releases the delta if Load was not called or has failed.
	Close() error
}

// Task is a loaded task.
type Task interface {
	cache.Task
	// Warm returns a network that applies the delta as it multiplies.
	Warm() (models.Network, error)
	// Hot returns a network over weights of its own, which takes HotBytes.
	Hot() (models.Network, error)
}

// Config configures a loader.
type Config struct {
	Store store.Store
	Base  Base
	// Budget bounds the bytes of tasks in memory, together with Activations.
	Budget int64
	// Activations returns the bytes of the budget that are held beside tasks, such as
	// by forward passes; nil: none are.
	Activations func() int64
	// Idle tells whether no text is computed or waits.
	Idle func() bool
	// Probe computes with a task that is not served yet, and returns an error if it
	// cannot be; nil: nothing is computed.
	Probe      func(ctx context.Context, name string, task Task) error
	RetryAfter time.Duration // how long a failed load is remembered
	Loads      int           // tasks loaded at a time
	MaxWaiting int           // loads that wait for their turn
	Pin        []string      // tasks that become hot at once and are never evicted
	Prefetch   []string      // tasks loaded at the start, as far as there is room
	// PrefetchAll loads all tasks at the start, as far as there is room.
	PrefetchAll bool
	Watch       time.Duration // how often the store is listed; 0: never
	Log         *slog.Logger
}

// Loader brings tasks into memory.
type Loader struct {
	config     Config
	log        *slog.Logger
	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	goroutines sync.WaitGroup // loads, promotions, watching, prefetching
	loads      *semaphore.Weighted
	promotions chan *cache.Entry // queue of the promoter

	mu    sync.Mutex
	cache *cache.Cache
	// roomFreed is closed and replaced whenever room may have become free.
	roomFreed chan struct{}
	roomQueue []*cache.Entry // loads that wait for room, in order
	closing   bool           // Close waits for the tasks in use
	listed    map[string]store.Item
	listErr   error // of the last listing
}

// maxQueuedPromotions bounds the promotions that wait. Beyond it they are
// dropped, and a later request for the task asks again.
const maxQueuedPromotions = 64

// Open lists the store and starts to watch, prefetch and promote in the background.
// The caller closes the loader.
func Open(ctx context.Context, config Config) (*Loader, error) {
	l := &Loader{
		config: config, log: config.Log,
		loads: semaphore.NewWeighted(int64(config.Loads)), promotions: make(chan *cache.Entry, maxQueuedPromotions),
		roomFreed: make(chan struct{}),
	}
	var err error
	l.cache, err = cache.New(cache.Config{
		Budget: l.budget, RetryAfter: config.RetryAfter, MaxWaitingLoads: config.MaxWaiting, Pinned: config.Pin,
	})
	if err != nil {
		return nil, err
	}
	items, err := config.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	l.listed = byTask(items)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.goroutines.Go(l.promoteQueued)
	if len(config.Pin) > 0 || len(config.Prefetch) > 0 || config.PrefetchAll {
		l.goroutines.Go(l.prefetch)
	}
	if config.Watch > 0 {
		l.goroutines.Go(l.watch)
	}
	return l, nil
}

// budget returns the bytes that tasks may take now.
func (l *Loader) budget() int64 {
	if l.config.Activations == nil {
		return l.config.Budget
	}
	return l.config.Budget - l.config.Activations()
}

// Close ends the loads, waits for the tasks in use, and drops all tasks. Later
// requests get failure.ErrClosed.
func (l *Loader) Close() {
	l.mu.Lock() // so that attach does not start a load after the Wait below
	l.cancel()
	l.mu.Unlock()
	l.goroutines.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache.DetachAll()
	l.closing = true
	for l.cache.DetachedBytes() > 0 {
		freed := l.roomFreed
		l.mu.Unlock()
		<-freed
		l.mu.Lock()
	}
}

// Handle is a reference to a task in memory. The task stays valid until Release,
// even if it is evicted, replaced or removed meanwhile. Handles of the same
// loaded task are equal.
type Handle struct {
	loader *Loader
	entry  *cache.Entry
}

// Acquire returns a handle to a task. It waits for a load in progress, or
// starts one.
func (l *Loader) Acquire(ctx context.Context, name string) (Handle, error) {
	for {
		e, err := l.attach(name)
		if err != nil {
			return Handle{}, err
		}
		select {
		case <-e.Ready():
		case <-ctx.Done():
			l.release(e)
			return Handle{}, ctx.Err()
		}
		if e.Err() == nil {
			l.countRequest(e)
			return Handle{l, e}, nil
		}
		l.release(e)
		if e.Err() != cache.ErrAbandoned { // abandoned just before this request joined it
			return Handle{}, e.Err()
		}
	}
}

// attach returns the task's entry with a reference. If it is new, its load
// begins.
func (l *Loader) attach(name string) (*cache.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, failure.ErrClosed
	}
	e, load, err := l.cache.Acquire(name, time.Now())
	if load {
		l.goroutines.Go(func() { l.load(e) })
	}
	return e, err
}

func (l *Loader) countRequest(e *cache.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cache.CountRequest(e, time.Now()) {
		l.queuePromotionLocked(e)
	}
}

// Release gives the reference back.
func (h Handle) Release() { h.loader.release(h.entry) }

func (l *Loader) release(e *cache.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cache.Release(e) {
		l.wakeLocked()
	}
}

// Task returns the task.
func (h Handle) Task() Task { return taskOf(h.entry) }

// taskOf returns the task of a loaded entry; load makes no other kind.
func taskOf(e *cache.Entry) Task { return e.Task().(Task) }

// Use implements sched.TaskHandle: it returns the task's hot network if there is
// one, else its warm one.
func (h Handle) Use() (network models.Network, done func()) {
	l, e := h.loader, h.entry
	l.mu.Lock()
	network = l.cache.UseNetwork(e)
	l.mu.Unlock()
	if network != nil {
		return network, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.cache.NetworkUnused(e) {
				l.wakeLocked()
			}
		}
	}
	task := taskOf(e)
	network, err := task.Warm()
	if err != nil {
		network = brokenNetwork{len(task.Labels()), err}
	}
	return network, func() {}
}

// brokenNetwork stands for a warm network that could be bound when the task was
// loaded but not now.
type brokenNetwork struct {
	labels int
	err    error
}

func (n brokenNetwork) Labels() int { return n.labels }

func (n brokenNetwork) Weights() *models.TaskWeights { return nil }

func (n brokenNetwork) Forward(*models.Workspace, *models.Batch, []float32) error { return n.err }

// Stats is a snapshot of the cache and the store.
type Stats struct {
	cache.Stats
	StoreTasks int // tasks of the store, when it was last listed
}

// Stats returns a snapshot.
func (l *Loader) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{l.cache.Stats(), len(l.listed)}
}

// Describe returns what is known of a task.
func (l *Loader) Describe(name string) cache.Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cache.Describe(name, time.Now())
}

// Problems returns why the store's present deltas of tasks are not served, by task.
func (l *Loader) Problems() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cache.Problems()
}

// Digests returns the SHA-256 of the deltas in memory, by task.
func (l *Loader) Digests() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cache.Digests()
}

// ReportProblem records, and logs once, that the task of a handle cannot be computed
// with.
func (l *Loader) ReportProblem(h Handle, problem string) {
	l.mu.Lock()
	news := l.cache.ReportProblem(h.entry, problem)
	l.mu.Unlock()
	if news {
		l.log.Error("task cannot be computed with", "task", h.entry.Name(), "sha256", h.Task().Digest(), "problem", problem)
	}
}

// probe computes with a task that is not served yet.
func (l *Loader) probe(ctx context.Context, name string, task Task) error {
	if l.config.Probe == nil {
		return nil
	}
	return l.config.Probe(ctx, name, task)
}

// Ready reports why tasks cannot be loaded, or nil: the loader is closed, or the
// store cannot be listed. Without a watch it lists the store itself.
func (l *Loader) Ready() error {
	if l.ctx.Err() != nil {
		return failure.ErrClosed
	}
	if l.config.Watch == 0 {
		_, err := l.List()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listErr
}

// List lists the store, until the loader is closed.
func (l *Loader) List() ([]store.Item, error) { return l.config.Store.List(l.ctx) }

// Stat looks for a task in the store, until the loader is closed.
func (l *Loader) Stat(name string) (store.Item, error) { return l.config.Store.Stat(l.ctx, name) }

// ClearFailure forgets a failed load, so that the next request tries again.
func (l *Loader) ClearFailure(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache.ClearFailure(name)
}

// Unload takes a task out of memory, or keeps one that is being loaded from
// getting there. It tells whether there was any.
func (l *Loader) Unload(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.cache.Detach(name)
	if found {
		l.wakeLocked()
	}
	return found
}

// Forget unloads a task that was removed from the store, and drops what is known
// of it.
func (l *Loader) Forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache.Forget(name)
	delete(l.listed, name)
	l.wakeLocked()
}
