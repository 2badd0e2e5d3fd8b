package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"kenserve/delta"
	"kenserve/models"
)

// residency holds the loaded tasks within a budget of bytes.
//
// Every entry is in the LRU list from the moment its load begins. References
// count the requests that use or await it; an entry with references is not
// evicted. The list itself (golang-lru) knows the order of use; bytes,
// references and single loads are kept here.
type residency struct {
	base   *Base
	store  delta.Store
	budget int64
	retry  time.Duration // how long a failed load is remembered
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	loads  sync.WaitGroup

	mu      sync.Mutex
	entries *simplelru.LRU[string, *entry]
	used    int64 // bytes of loaded tasks, and those promised to loads under way
	// released is closed and replaced whenever room may have become free.
	released chan struct{}
	// short counts the loads that wait for room. As long as there are any, no
	// request takes a new reference, so that the tasks in use run out and the
	// wait ends however busy they are; gate is closed when the last has room.
	short int
	gate  chan struct{}
	info  map[string]*usage
	stats Stats
}

// entry is a task that is loaded, being loaded, or failed to load.
type entry struct {
	name  string
	ready chan struct{} // closed when task or err is set
	task  *task
	// network is the task's, hot.
	network models.Network
	err     error
	until   time.Time // err is remembered until then
	refs    int
	bytes   int64 // counted in used
}

// use returns the best network that is in memory for the task, as a batch
// begins. The caller holds a reference to e; the network stays valid until done.
func (e *entry) use() (network models.Network, done func()) { return e.network, func() {} }

// usage is what is known of a task beyond its residency.
type usage struct {
	labels   []string
	requests uint64
	last     time.Time
}

// maxEntries is the bound that golang-lru asks for; bytes are ours.
const maxEntries = 1 << 30

func newResidency(base *Base, store delta.Store, budget int64, retry time.Duration, log *slog.Logger) (*residency, error) {
	entries, err := simplelru.NewLRU[string, *entry](maxEntries, nil)
	if err != nil {
		return nil, fmt.Errorf("runtime: residency: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &residency{
		base: base, store: store, budget: budget, retry: retry, log: log, ctx: ctx, cancel: cancel,
		entries: entries, released: make(chan struct{}), info: map[string]*usage{},
	}, nil
}

// acquire returns the task, loaded, with a reference that the caller gives
// back with release. It waits for a load that is under way, or starts one.
func (r *residency) acquire(ctx context.Context, name string) (*entry, error) {
	for {
		e, err := r.await(ctx, name)
		if err != errAbandoned { // given up just as this request joined it
			return e, err
		}
	}
}

func (r *residency) await(ctx context.Context, name string) (*entry, error) {
	for {
		r.mu.Lock()
		if r.ctx.Err() != nil {
			r.mu.Unlock()
			return nil, ErrClosed
		}
		if r.short > 0 {
			gate := r.gate
			r.mu.Unlock()
			select {
			case <-gate:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-r.ctx.Done():
				return nil, ErrClosed
			}
		}
		break
	}
	e, ok := r.entries.Get(name)
	if ok && e.err != nil && time.Now().After(e.until) {
		ok = false // tried long ago
	}
	if !ok {
		e = &entry{name: name, ready: make(chan struct{})}
		r.entries.Add(name, e)
		r.loads.Add(1)
		go r.load(e)
	}
	e.refs++
	r.mu.Unlock()

	select {
	case <-e.ready:
	case <-ctx.Done():
		r.release(e)
		return nil, ctx.Err()
	}
	if e.err != nil {
		r.release(e)
		return nil, e.err
	}
	r.mu.Lock()
	u := r.info[name]
	u.requests++
	u.last = time.Now()
	r.mu.Unlock()
	return e, nil
}

// release gives a reference back.
func (r *residency) release(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.refs--
	if e.refs == 0 {
		r.wake()
	}
}

// wake tells the loads that wait for room to look again.
func (r *residency) wake() {
	close(r.released)
	r.released = make(chan struct{})
}

// load brings e's task into memory and settles e, one way or the other. It
// runs once for an entry, and independently of the requests that wait.
func (r *residency) load(e *entry) {
	defer r.loads.Done()
	start := time.Now()
	t, bytes, err := r.open(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	e.task, e.err, e.bytes = t, err, bytes
	if err == nil {
		r.stats.Loads++
		took := time.Since(start)
		r.stats.LoadSeconds += took.Seconds()
		r.log.Info("task loaded", "task", e.name, "bytes", bytes, "took", took)
		u := r.info[e.name]
		if u == nil {
			u = &usage{}
			r.info[e.name] = u
		}
		u.labels = t.labels
	} else {
		e.until = time.Now().Add(r.retry)
		if errors.Is(err, ErrNoTask) || errors.Is(err, ErrClosed) || err == errAbandoned {
			// Names that do not exist must not fill the list, and what was not
			// tried has not failed.
			if current, ok := r.entries.Peek(e.name); ok && current == e {
				r.entries.Remove(e.name)
			}
		} else {
			r.stats.LoadErrors++
			reason := err
			if t := (*taskError)(nil); errors.As(err, &t) {
				reason = t.err
			}
			r.log.Error("task not loaded", "task", e.name, "error", reason)
		}
	}
	close(e.ready)
	r.wake()
}

// open loads a task. It returns the bytes it reserved for it, none on failure.
func (r *residency) open(e *entry) (_ *task, bytes int64, err error) {
	name := e.name
	d, err := r.store.Open(r.ctx, name)
	if err != nil {
		return nil, 0, unusable(name, err)
	}
	defer func() {
		if err != nil {
			_ = d.Close()
		}
	}()
	p, err := planTask(r.base, d)
	if err != nil {
		return nil, 0, unusable(name, err)
	}
	bytes = p.warmBytes + p.hotBytes
	if err := r.reserve(e, bytes); err != nil {
		return nil, 0, err
	}
	t, network, err := contained(p)
	if err != nil {
		r.mu.Lock()
		r.used -= bytes
		r.mu.Unlock()
		return nil, 0, unusable(name, err)
	}
	e.network = network
	return t, bytes, nil
}

// contained loads a task; a panic, a fault of this program over a file that
// passed all checks, fails the load and not the process.
func contained(p *plan) (t *task, network models.Network, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
		}
	}()
	if t, err = p.load(); err != nil {
		return nil, nil, err
	}
	network, err = t.hot()
	return t, network, err
}

// reserve makes room for a load, evicting what is idle, least recently used
// first, and waiting for what is in use, as long as a request still wants it.
func (r *residency) reserve(e *entry, bytes int64) error {
	if bytes > r.budget {
		return &taskError{task: e.name, class: "it does not fit the memory for tasks", err: fmt.Errorf("it needs %d bytes, the budget is %d", bytes, r.budget)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	waited := false
	for !r.evict(bytes) {
		if !waited {
			waited = true
			if r.short == 0 {
				r.gate = make(chan struct{})
			}
			r.short++
		}
		released := r.released
		r.mu.Unlock()
		select {
		case <-released:
		case <-r.ctx.Done():
		}
		r.mu.Lock()
		if r.ctx.Err() != nil || e.refs == 0 {
			break
		}
	}
	if waited {
		if r.short--; r.short == 0 {
			close(r.gate)
		}
	}
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	if waited && e.refs == 0 {
		return errAbandoned
	}
	r.used += bytes
	return nil
}

// errAbandoned ends a load that nobody waits for any more before it had room.
var errAbandoned = errors.New("runtime: load abandoned")

// evict drops idle tasks until bytes more fit, and tells whether they do.
func (r *residency) evict(bytes int64) bool {
	if r.used+bytes <= r.budget {
		return true
	}
	for _, name := range r.entries.Keys() { // oldest first
		e, _ := r.entries.Peek(name)
		if e.refs > 0 || e.task == nil {
			continue
		}
		r.drop(e)
		r.stats.Evictions++
		if r.used+bytes <= r.budget {
			return true
		}
	}
	return false
}

// drop takes an idle, loaded entry out of memory.
func (r *residency) drop(e *entry) {
	r.entries.Remove(e.name)
	r.used -= e.bytes
	_ = e.task.delta.Close()
}

// snapshot returns what Stats says of residency.
func (r *residency) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.TaskBytes, s.BudgetBytes = r.used, r.budget
	for _, e := range r.entries.Values() {
		if e.task != nil {
			s.Resident++
		}
	}
	return s
}

// describe tells what is known of a task of the store.
func (r *residency) describe(name string) TaskInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := TaskInfo{Name: name, Residency: Cold}
	if e, ok := r.entries.Peek(name); ok && e.task != nil {
		t.Residency, t.Bytes = Hot, e.bytes
	}
	if u := r.info[name]; u != nil {
		t.Labels, t.Requests, t.LastUsed = u.labels, u.requests, u.last
	}
	return t
}

// close ends the loads, waits for the tasks in use, and drops all. Requests
// that come later get ErrClosed.
func (r *residency) close() {
	// Under the lock, so that no acquire is between its look and its load.
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.loads.Wait()
	for {
		r.mu.Lock()
		inUse := false
		for _, e := range r.entries.Values() {
			switch {
			case e.refs > 0:
				inUse = true
			case e.task != nil:
				r.drop(e)
			}
		}
		released := r.released
		r.mu.Unlock()
		if !inUse {
			return
		}
		<-released
	}
}

// unusable turns an error of the store or the delta into what a request may
// see: the class of the reason. The whole error stays for the log.
func unusable(name string, err error) error {
	if errors.Is(err, delta.ErrNotFound) {
		return fmt.Errorf("runtime: task %s: %w", name, ErrNoTask)
	}
	return &taskError{task: name, class: class(err), err: err}
}

// taskError is an ErrTaskUnusable with its reason. The message names the
// class; the reason, which may name paths, is for errors.As and the log.
type taskError struct {
	task, class string
	err         error
}

func (e *taskError) Error() string {
	return fmt.Sprintf("runtime: task %s: %v: %s", e.task, ErrTaskUnusable, e.class)
}

func (e *taskError) Is(target error) bool { return target == ErrTaskUnusable }
func (e *taskError) Unwrap() error        { return e.err }
