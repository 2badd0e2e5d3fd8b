package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/semaphore"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/runtime/internal/failure"
)

// residency keeps tasks in memory, warm or hot, within a budget of bytes.
//
// An entry is a task in memory, or on its way there. References count the
// requests that use or await it: what they hold stays valid however the entry
// fares. Entries of the list "entries" are what new requests find. One that is
// taken out of it (evicted, replaced, removed) leaves: its requests finish, and
// its bytes are free when the last one has. So nothing in memory waits for what
// is not, and a load that waits for room gets it in the time that the requests
// take that are under way.
//
// golang-lru keeps the orders of use. Bytes, references and single loads are
// kept here, all under one mutex that is never held while anything is read,
// allocated in earnest or waited for.
type residency struct {
	base   *Base
	store  delta.Store
	cache  *delta.Cache // nil: none
	quota  quota
	pinned map[string]bool
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	owned  sync.WaitGroup // goroutines: loads, promoter, watcher, prefetch
	slots  *semaphore.Weighted
	wanted chan *entry // to be promoted

	mu       sync.Mutex
	entries  *simplelru.LRU[string, *entry]
	hot      *simplelru.LRU[string, *entry] // those of entries that are hot
	failures *simplelru.LRU[string, *failedLoad]
	used     int64 // bytes of all tasks in memory, and of those that are promised some
	hotBytes int64 // of used, what hot networks take, those being made included
	leaving  int64 // of used, what entries that left will give back
	// released is closed and replaced whenever room may have become free.
	released chan struct{}
	queue    []*entry // loads that wait for room, in order
	draining bool     // close waits for the tasks in use
	tasks    map[string]*usage
	clock    uint64 // requests so far
	stats    Stats

	listed    map[string]delta.Item // the store when it was last looked through
	listedErr error
	watched   bool // it is looked through again and again; set once
}

// quota bounds what residency holds and does.
type quota struct {
	budget int64         // bytes of tasks in memory
	retry  time.Duration // how long a failure is remembered
	loads  int           // at a time
	queue  int           // loads that wait
	// activations returns the bytes that forward passes hold, which are taken
	// off the budget; nil: none.
	activations func() int64
	// idle tells whether no text is computed or waits; nil: always.
	idle func() bool
}

// entry is a task that is in memory or being loaded.
type entry struct {
	owner *residency
	name  string
	ready chan struct{} // closed when task or err is set
	item  delta.Item    // what was loaded; set with task
	task  *task
	err   error

	// Under the owner's mutex.
	refs    int
	bytes   int64          // of the warm task, counted in used
	network models.Network // hot, or nil
	users   int            // batches that compute with network
	gone    bool           // not in entries any more
	wanted  bool           // on the way to the promoter
	cannot  bool           // a promotion failed
	refused string         // version of a replacement that could not be loaded

	replacing bool // a replacement is being loaded
}

// failedLoad is why a task could not be loaded, remembered for a while.
type failedLoad struct {
	err     error
	version string // of the item that failed; empty: there was none
	until   time.Time
}

// usage is what is known of a task of the store beyond its residency.
type usage struct {
	labels     []string
	requests   uint64
	hits       uint64
	loads      uint64
	promotions uint64
	loadTime   time.Duration // of the last load
	last       time.Time
	problem    string // why its present delta is not served; empty: it is
	popularity popularity
}

const (
	// maxEntries is the bound that golang-lru asks for; bytes are ours.
	maxEntries = 1 << 30
	// maxFailures bounds the failures that are remembered: names that do not
	// exist cost nothing to make up.
	maxFailures = 4096
)

func newResidency(base *Base, store delta.Store, cache *delta.Cache, q quota, pinned []string, log *slog.Logger) (*residency, error) {
	entries, err := simplelru.NewLRU[string, *entry](maxEntries, nil)
	if err != nil {
		return nil, fmt.Errorf("runtime: residency: %w", err)
	}
	hot, err := simplelru.NewLRU[string, *entry](maxEntries, nil)
	if err != nil {
		return nil, fmt.Errorf("runtime: residency: %w", err)
	}
	failures, err := simplelru.NewLRU[string, *failedLoad](maxFailures, nil)
	if err != nil {
		return nil, fmt.Errorf("runtime: residency: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &residency{
		base: base, store: store, cache: cache, quota: q, pinned: map[string]bool{}, log: log, ctx: ctx, cancel: cancel,
		slots: semaphore.NewWeighted(int64(q.loads)), wanted: make(chan *entry, 64),
		entries: entries, hot: hot, failures: failures, released: make(chan struct{}), tasks: map[string]*usage{},
	}
	for _, name := range pinned {
		r.pinned[name] = true
	}
	return r, nil
}

// acquire returns the task, in memory, with a reference that the caller gives
// back with release. It waits for a load that is under way, or starts one.
func (r *residency) acquire(ctx context.Context, name string) (*entry, error) {
	for {
		e, err := r.take(name)
		if err != nil {
			return nil, err
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			r.release(e)
			return nil, ctx.Err()
		}
		if e.err == nil {
			r.count(e)
			return e, nil
		}
		r.release(e)
		if e.err != errAbandoned { // given up just as this request joined it
			return nil, e.err
		}
	}
}

// take returns the entry that new requests find, with a reference. If there is
// none its load begins.
func (r *residency) take(name string) (*entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if e, ok := r.entries.Get(name); ok {
		e.refs++
		if e.task != nil {
			r.stats.Hits++
			if u := r.tasks[name]; u != nil {
				u.hits++
			}
		} else {
			r.stats.Misses++
		}
		return e, nil
	}
	if f, ok := r.failures.Get(name); ok {
		if time.Now().Before(f.until) {
			return nil, f.err
		}
		r.failures.Remove(name)
	}
	if r.stats.LoadsWaiting >= r.quota.queue {
		return nil, ErrBusy
	}
	r.stats.Misses++
	e := r.newEntry(name)
	e.refs = 1
	r.entries.Add(name, e)
	r.owned.Go(func() { r.load(e) })
	return e, nil
}

func (r *residency) newEntry(name string) *entry {
	r.stats.LoadsWaiting++
	return &entry{owner: r, name: name, ready: make(chan struct{})}
}

// count counts a request for a task, and has the task promoted if it is asked
// for often enough.
func (r *residency) count(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock++
	u := r.tasks[e.name]
	if u == nil {
		return // removed from the store meanwhile
	}
	u.requests++
	u.last = time.Now()
	u.popularity.add(r.clock)
	if e.network != nil {
		if !e.gone {
			r.hot.Get(e.name)
		}
		return
	}
	if r.admits(e) {
		r.want(e)
	}
}

// Use returns the best network that is in memory for the task, as a batch
// begins. The caller holds a reference to e; the network stays valid until done.
func (e *entry) Use() (network models.Network, done func()) {
	r := e.owner
	r.mu.Lock()
	if e.network != nil {
		defer r.mu.Unlock()
		e.users++
		return e.network, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if e.users--; e.users == 0 {
				r.wake()
			}
		}
	}
	r.mu.Unlock()
	network, err := e.task.warm()
	if err != nil {
		network = unbound{len(e.task.labels), err}
	}
	return network, func() {}
}

// unbound stands for a network that could not be bound again, which once could.
type unbound struct {
	labels int
	err    error
}

func (u unbound) Labels() int { return u.labels }

func (u unbound) Forward(*models.Workspace, *models.Batch, []float32) error { return u.err }

// release gives a reference back.
func (r *residency) release(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.refs--; e.refs > 0 {
		return
	}
	if e.gone && e.task != nil {
		r.leaving -= r.free(e)
	}
	r.trim()
	r.wake()
}

// wake tells the loads that wait for room to look again.
func (r *residency) wake() {
	if len(r.queue) > 0 || r.draining {
		close(r.released)
		r.released = make(chan struct{})
	}
}

// snapshot returns what Stats says of residency.
func (r *residency) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.TaskBytes, s.BudgetBytes = r.used, r.budget()
	s.HotTasks, s.HotBytes = r.hot.Len(), r.hotBytes
	s.WarmBytes = r.used - r.hotBytes
	for _, e := range r.entries.Values() {
		if e.task != nil {
			s.Resident++
		}
	}
	s.WarmTasks = s.Resident - s.HotTasks
	s.StoreTasks = len(r.listed)
	s.PinnedTasks = len(r.pinned)
	return s
}

// describe tells what is known of a task of the store.
func (r *residency) describe(name string) TaskInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := TaskInfo{Name: name, Residency: Cold, Pinned: r.pinned[name]}
	if e, ok := r.entries.Peek(name); ok && e.task != nil {
		t.Residency, t.Bytes = Warm, e.bytes
		if e.network != nil {
			t.Residency = Hot
			t.Bytes += e.task.hotBytes
		}
	}
	if u := r.tasks[name]; u != nil {
		t.Labels, t.Requests, t.LastUsed = u.labels, u.requests, u.last
		t.Hits, t.Loads, t.Promotions, t.LoadTime = u.hits, u.loads, u.promotions, u.loadTime
		t.Problem = u.problem
	}
	if f, ok := r.failures.Peek(name); ok && time.Now().Before(f.until) {
		if class := failure.Class(f.err); class != "" {
			t.Problem = class
		}
	}
	return t
}

// close ends the loads, waits for the tasks in use, and drops all. Requests
// that come later get ErrClosed.
func (r *residency) close() {
	// Under the lock, so that no take is between its look and its load.
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.owned.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries.Values() {
		r.leave(e)
	}
	r.draining = true
	for r.leaving > 0 {
		released := r.released
		r.mu.Unlock()
		<-released
		r.mu.Lock()
	}
}
