package storesync

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"kenserve/delta/store"
	"kenserve/runtime/internal/cache"
	"kenserve/runtime/internal/failure"
)

// load loads the task of a new entry, warm, and ends the entry's load. It runs
// once for an entry, on a goroutine of its own, however many requests wait.
func (l *Loader) load(e *cache.Entry) {
	task, item, bytes, err := l.read(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if l.cache.LoadFailed(e, err, item.Version, time.Now()) {
			l.log.Error("task not loaded", "task", e.Name(), "error", failure.Cause(err))
		}
	} else if l.cache.Loaded(e, task, item.Version, bytes) {
		l.queuePromotionLocked(e)
	}
	l.wakeLocked()
}

// read waits for its turn and loads the task as the store has it now. It returns
// the bytes that are reserved for the task; 0 after an error.
func (l *Loader) read(e *cache.Entry) (_ Task, _ store.Item, bytes int64, err error) {
	queued := time.Now()
	err = l.loads.Acquire(l.ctx, 1)
	start := time.Now()
	l.mu.Lock()
	l.cache.LoadBegins(start.Sub(queued))
	l.mu.Unlock()
	if err != nil {
		return nil, store.Item{}, 0, failure.ErrClosed
	}
	defer l.loads.Release(1)
	item, err := l.config.Store.Stat(l.ctx, e.Name())
	if err != nil {
		return nil, item, 0, failure.Unusable(e.Name(), err)
	}
	task, bytes, err := l.readItem(e, item, l.config.Store.Fetch)
	if err != nil {
		return nil, item, 0, err
	}
	took := time.Since(start)
	l.mu.Lock()
	l.cache.LoadTook(e.Name(), took)
	l.mu.Unlock()
	l.log.Debug("task loaded", "task", e.Name(), "bytes", bytes, "sha256", task.Digest(), "took", took)
	return task, item, bytes, nil
}

// fetcher brings an item's file to this machine, as store.Store.Fetch does.
type fetcher func(context.Context, store.Item) (store.File, error)

// readItem loads an item. It reserves room before it reads anything, by the size
// of the file; if the task needs more, it reserves again for all of it.
func (l *Loader) readItem(e *cache.Entry, item store.Item, fetch fetcher) (_ Task, reserved int64, err error) {
	estimate := item.Size + l.config.Base.OverheadBytes()
	if err := l.reserve(e, estimate); err != nil {
		return nil, 0, err
	}
	reserved = estimate
	var plan Plan
	defer func() {
		if err != nil {
			l.unreserve(reserved)
			reserved = 0
			if plan != nil {
				_ = plan.Close()
			}
		}
	}()
	file, err := fetch(l.ctx, item)
	if err != nil {
		return nil, reserved, failure.Unusable(e.Name(), err)
	}
	if plan, err = l.config.Base.Plan(file); err != nil {
		return nil, reserved, failure.Unusable(e.Name(), err)
	}
	if need := plan.WarmBytes(); need > estimate {
		l.unreserve(estimate)
		reserved = 0
		if err := l.reserve(e, need); err != nil {
			return nil, reserved, err
		}
		reserved = need
	} else {
		l.unreserve(estimate - need)
		reserved = need
	}
	task, err := recovered(plan.Load)
	if err != nil {
		return nil, reserved, failure.Unusable(e.Name(), err)
	}
	return task, reserved, nil
}

// reserve takes room for a load. It waits behind the loads that came before, as
// long as a request still waits for this one.
func (l *Loader) reserve(e *cache.Entry, bytes int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit := l.cache.MaxTaskBytes(e.Name()); bytes > limit {
		return &failure.TaskError{Task: e.Name(), Class: "it does not fit the memory for tasks", Err: fmt.Errorf("it needs %d bytes, there are %d", bytes, limit)}
	}
	if len(l.roomQueue) == 0 && l.cache.Reserve(bytes) {
		return nil
	}
	l.roomQueue = append(l.roomQueue, e)
	defer func() {
		l.roomQueue = slices.DeleteFunc(l.roomQueue, func(q *cache.Entry) bool { return q == e })
		l.wakeLocked() // the next load is first now
	}()
	for {
		if l.ctx.Err() != nil {
			return failure.ErrClosed
		}
		if e.Abandoned() {
			return cache.ErrAbandoned
		}
		if l.roomQueue[0] == e && l.cache.Reserve(bytes) {
			return nil
		}
		freed := l.roomFreed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-l.ctx.Done():
		}
		l.mu.Lock()
	}
}

// unreserve gives back what reserve took.
func (l *Loader) unreserve(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache.Unreserve(bytes)
	l.wakeLocked()
}

// wakeLocked makes the loads that wait for room look again.
func (l *Loader) wakeLocked() {
	if len(l.roomQueue) > 0 || l.closing {
		close(l.roomFreed)
		l.roomFreed = make(chan struct{})
	}
}

// Verify does with the file at path all that a load of the task does, within the
// same bounds, computes with it, and drops the result.
func (l *Loader) Verify(ctx context.Context, name, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("runtime: put task %s: %w", name, err)
	}
	if err := l.loads.Acquire(ctx, 1); err != nil {
		return err
	}
	defer l.loads.Release(1)
	fetch := func(context.Context, store.Item) (store.File, error) { return store.File{Path: path}, nil }
	e := cache.NewReservation(name)
	stop := context.AfterFunc(ctx, func() { l.release(e) })
	task, bytes, err := l.readItem(e, store.Item{Task: name, Size: info.Size()}, fetch)
	stop()
	if ctx.Err() != nil && (err == nil || err == cache.ErrAbandoned) {
		err = ctx.Err()
	}
	if task != nil {
		if err == nil {
			err = l.probe(ctx, name, task)
		}
		_ = task.Close()
		l.unreserve(bytes)
	}
	return err
}

// recovered calls f and returns a panic as an error. A panic over a file that
// passed all checks is a fault of this program; it must not end the process.
func recovered[T any](f func() (T, error)) (result T, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
		}
	}()
	return f()
}
