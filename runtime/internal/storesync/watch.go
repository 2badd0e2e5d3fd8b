package storesync

import (
	"errors"
	"time"

	"kenserve/delta/store"
	"kenserve/runtime/internal/cache"
	"kenserve/runtime/internal/failure"
)

// watchShare bounds the share of time spent listing, one in watchShare: after a
// listing that took long comes a long pause.
const watchShare = 50

// watch lists the store again and again until the loader is closed. It polls
// and does not ask the system for events: polling works on every file system and
// object store, cannot lose a change, and takes up a file that is being copied
// only when it has stopped changing.
func (l *Loader) watch() {
	pause := l.config.Watch
	for {
		select {
		case <-time.After(pause):
		case <-l.ctx.Done():
			return
		}
		start := time.Now()
		l.syncStore()
		pause = max(l.config.Watch, watchShare*time.Since(start))
	}
}

// syncStore lists the store and takes up what has changed. A removed task leaves
// memory. A replaced one is loaded beside the old one, which stays in service
// until that has succeeded.
func (l *Loader) syncStore() {
	items, err := l.config.Store.List(l.ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	if (err == nil) != (l.listErr == nil) {
		if err != nil {
			l.log.Error("store not readable, tasks in memory stay in service", "error", err)
		} else {
			l.log.Info("store readable again")
		}
	}
	if l.listErr = err; err != nil {
		return
	}
	listing := make(map[string]cache.Listed, len(items))
	for _, item := range items {
		listing[item.Task] = cache.Listed{Version: item.Version, Stable: item == l.listed[item.Task]}
	}
	l.listed = byTask(items)
	changes := l.cache.Sync(listing)
	for _, name := range changes.Removed {
		l.log.Info("task removed", "task", name)
	}
	for _, e := range changes.Replace {
		l.goroutines.Go(func() { _ = l.replace(e) })
	}
	for _, name := range changes.Load {
		l.goroutines.Go(func() { l.touch(name) })
	}
	l.wakeLocked()
}

// touch loads a task if it is not in memory.
func (l *Loader) touch(name string) {
	if h, err := l.Acquire(l.ctx, name); err == nil {
		h.Release()
	}
}

func byTask(items []store.Item) map[string]store.Item {
	m := make(map[string]store.Item, len(items))
	for _, item := range items {
		m[item.Task] = item
	}
	return m
}

// replace loads a task anew and puts it in place of the entry old. If it cannot
// be loaded, old stays in service.
func (l *Loader) replace(old *cache.Entry) error {
	l.mu.Lock()
	e := l.cache.BeginReplacement(old)
	l.mu.Unlock()
	if e == nil {
		return nil
	}
	task, item, bytes, err := l.read(e)
	defer l.release(e)
	if err == nil {
		if err = l.probe(l.ctx, e.Name(), task); err != nil {
			_ = task.Close()
			l.unreserve(bytes)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		closed := l.ctx.Err() != nil
		l.cache.ReplacementFailed(old, e, err, item.Version, closed)
		if !closed {
			l.log.Error("task not replaced, the old delta stays in service", "task", e.Name(), "error", failure.Cause(err))
		}
		return err
	}
	attached, promote := l.cache.Replaced(old, e, task, item.Version, bytes)
	if attached {
		l.log.Info("task replaced", "task", e.Name(), "bytes", bytes, "sha256", task.Digest(), "before", taskOf(old).Digest())
	}
	if promote {
		l.queuePromotionLocked(e)
	}
	return nil
}

// Refresh makes requests from now on use what the store has now.
func (l *Loader) Refresh(name string) error {
	l.mu.Lock()
	l.cache.ClearFailure(name)
	e, ok := l.cache.Attached(name)
	if !ok {
		l.mu.Unlock()
		return nil
	}
	select {
	case <-e.Ready():
		l.mu.Unlock()
		if err := l.replace(e); errors.Is(err, failure.ErrClosed) {
			return err
		}
		l.mu.Lock()
	default: // it is being loaded, maybe in the version from before the change
	}
	defer l.mu.Unlock()
	// An entry that was not replaced is not what the store has.
	l.cache.DetachEntry(e)
	l.wakeLocked()
	return nil
}
