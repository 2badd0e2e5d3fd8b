package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"kenserve/delta"
	"kenserve/runtime/internal/failure"
)

// errAbandoned ends a load that nobody waits for any more before it had room.
var errAbandoned = errors.New("runtime: load abandoned")

// load brings e's task into memory, warm, and settles e, one way or the other.
// It runs once for an entry, and independently of the requests that wait.
func (r *residency) load(e *entry) {
	t, item, bytes, err := r.read(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed(e, item, err)
	} else {
		r.loaded(e, t, item, bytes)
		if r.pinned[e.name] {
			r.want(e)
		}
	}
	close(e.ready)
	r.wake()
}

// loaded settles an entry whose task is in memory.
func (r *residency) loaded(e *entry, t *task, item delta.Item, bytes int64) {
	e.task, e.item, e.bytes = t, item, bytes
	u := r.tasks[e.name]
	if u == nil {
		u = &usage{}
		r.tasks[e.name] = u
	}
	u.labels, u.problem = t.labels, ""
	if e.gone { // while it was loading
		if e.refs > 0 {
			r.leaving += bytes
		} else {
			r.free(e)
		}
	}
}

// failed settles an entry whose task cannot be loaded. The failure is
// remembered, unless nothing was tried.
func (r *residency) failed(e *entry, item delta.Item, err error) {
	e.err = err
	if !e.gone {
		e.gone = true
		r.entries.Remove(e.name)
	}
	if errors.Is(err, ErrClosed) || err == errAbandoned {
		return
	}
	r.failures.Add(e.name, &failedLoad{err: err, version: item.Version, until: time.Now().Add(r.quota.retry)})
	if !errors.Is(err, ErrNoTask) {
		r.stats.LoadErrors++
		r.log.Error("task not loaded", "task", e.name, "error", failure.Cause(err))
	}
}

// read waits for its turn and brings a task into memory. It returns the bytes
// that it reserved for it, none on failure.
func (r *residency) read(e *entry) (_ *task, _ delta.Item, bytes int64, err error) {
	asked := time.Now()
	err = r.slots.Acquire(r.ctx, 1)
	start := time.Now()
	r.mu.Lock()
	r.stats.LoadsWaiting--
	r.stats.LoadQueueSeconds += start.Sub(asked).Seconds()
	r.mu.Unlock()
	if err != nil {
		return nil, delta.Item{}, 0, ErrClosed
	}
	defer r.slots.Release(1)
	item, err := r.store.Stat(r.ctx, e.name)
	if err != nil {
		return nil, item, 0, failure.Unusable(e.name, err)
	}
	t, bytes, err := r.readItem(e, item, r.store.Fetch)
	if err != nil {
		return nil, item, 0, err
	}
	took := time.Since(start)
	r.mu.Lock()
	r.stats.Loads++
	r.stats.LoadSeconds += took.Seconds()
	if u := r.tasks[e.name]; u != nil {
		u.loads++
		u.loadTime = took
	} else {
		r.tasks[e.name] = &usage{loads: 1, loadTime: took}
	}
	r.mu.Unlock()
	r.log.Debug("task loaded", "task", e.name, "bytes", bytes, "took", took)
	return t, item, bytes, nil
}

// readItem loads an item. Room is reserved before anything is read; if the task
// takes more than its file makes believe, once more for all of it.
func (r *residency) readItem(e *entry, item delta.Item, fetch fetcher) (_ *task, reserved int64, err error) {
	guess := item.Size + r.overhead()
	if err := r.reserve(e, guess); err != nil {
		return nil, 0, err
	}
	reserved = guess
	var d *delta.Delta
	defer func() {
		if err != nil {
			r.unreserve(reserved)
			reserved = 0
			if d != nil {
				_ = d.Close()
			}
		}
	}()
	if d, err = r.open(item, fetch); err != nil {
		return nil, reserved, failure.Unusable(e.name, err)
	}
	p, err := planTask(r.base, d)
	if err != nil {
		return nil, reserved, failure.Unusable(e.name, err)
	}
	if p.warmBytes > guess {
		r.unreserve(guess)
		reserved = 0
		if err := r.reserve(e, p.warmBytes); err != nil {
			return nil, reserved, err
		}
	} else {
		r.unreserve(guess - p.warmBytes)
	}
	reserved = p.warmBytes
	t, err := contained(p.load)
	if err != nil {
		return nil, reserved, failure.Unusable(e.name, err)
	}
	return t, reserved, nil
}

// overhead is what a task takes beside its file if all its matrices are patched
// on the fly.
func (r *residency) overhead() int64 {
	return int64(len(r.base.names)) * (tensorBytes + patchBytes)
}

// fetcher is the method of a store.
type fetcher func(context.Context, delta.Item) (delta.File, error)

// open opens an item's delta in either layout, if there is a cache for the
// small one.
func (r *residency) open(item delta.Item, fetch fetcher) (*delta.Delta, error) {
	f, err := fetch(r.ctx, item)
	if err != nil {
		return nil, err
	}
	if r.cache == nil {
		return f.Open()
	}
	return r.cache.OpenFile(f, r.base.Checkpoint, r.base.Fingerprint)
}

// contained calls f; a panic, a fault of this program over a file that passed
// all checks, is an error and not the end of the process.
func contained[T any](f func() (T, error)) (result T, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
		}
	}()
	return f()
}
