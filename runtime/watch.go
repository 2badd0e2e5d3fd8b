package runtime

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"kenserve/delta"
	"kenserve/runtime/internal/failure"
)

// A store is looked through again and again for what has changed, rather than
// asking the system for events: that works on every file system and object
// store, cannot lose anything, and sees a file that is being copied only when
// it has stopped changing. What it costs is bounded: after a look that took
// long comes a long pause.
const watchShare = 50

// watch looks through the store until the residency is closed.
func (r *residency) watch(interval time.Duration) {
	pause := interval
	for {
		select {
		case <-time.After(pause):
		case <-r.ctx.Done():
			return
		}
		start := time.Now()
		r.look()
		pause = max(interval, watchShare*time.Since(start))
	}
}

// look lists the store and takes up what has changed. A removed task leaves
// memory. A replaced one is loaded beside the old one, which goes on serving
// until that has succeeded; a version counts as new when two looks have seen it.
func (r *residency) look() {
	items, err := r.store.List(r.ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return
	}
	if (err == nil) != (r.listedErr == nil) {
		if err != nil {
			r.log.Error("store not readable, what is in memory is served", "error", err)
		} else {
			r.log.Info("store readable again")
		}
	}
	if r.listedErr = err; err != nil {
		return
	}
	before := r.listed
	r.listed = make(map[string]delta.Item, len(items))
	for _, item := range items {
		r.listed[item.Task] = item
	}
	for _, name := range r.failures.Keys() {
		f, _ := r.failures.Peek(name)
		if item, ok := r.listed[name]; ok && item.Version != f.version {
			r.failures.Remove(name)
		}
	}
	for _, name := range r.entries.Keys() {
		e, _ := r.entries.Peek(name)
		if e.task == nil {
			continue
		}
		item, ok := r.listed[name]
		switch {
		case !ok:
			r.leave(e)
			r.log.Info("task removed", "task", name)
		case item.Version == e.item.Version:
			if e.refused != "" { // what was refused is gone again
				e.refused, r.tasks[name].problem = "", ""
			}
		case item.Version != e.refused && item == before[name]:
			r.owned.Go(func() { _ = r.replace(e) })
		}
	}
	for name := range r.tasks {
		if _, ok := r.listed[name]; !ok {
			if _, ok := r.entries.Peek(name); !ok {
				delete(r.tasks, name)
			}
		}
	}
	for name := range r.pinned {
		_, there := r.listed[name]
		_, found := r.entries.Peek(name)
		_, failed := r.failures.Peek(name)
		if there && !found && !failed {
			r.start(name)
		}
	}
	r.wake()
}

// start begins a task's load without a request.
func (r *residency) start(name string) {
	r.owned.Go(func() {
		if e, err := r.acquire(r.ctx, name); err == nil {
			r.release(e)
		}
	})
}

// replace loads a task anew and puts it in place of the entry old. If it cannot
// be loaded, old goes on serving.
func (r *residency) replace(old *entry) error {
	r.mu.Lock()
	if old.gone || old.replacing {
		r.mu.Unlock()
		return nil
	}
	old.replacing = true
	e := r.newEntry(old.name)
	e.refs = 1
	r.mu.Unlock()

	t, item, bytes, err := r.read(e)
	defer r.release(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	old.replacing = false
	defer close(e.ready)
	if err != nil {
		e.err, e.gone = err, true
		if r.ctx.Err() == nil {
			old.refused = item.Version
			r.stats.LoadErrors++
			if u := r.tasks[e.name]; u != nil {
				u.problem = problemOf(err)
			}
			r.log.Error("task not replaced, the old one stays in service", "task", e.name, "error", failure.Cause(err))
		}
		return err
	}
	// What left meanwhile may have left because the store has something newer.
	e.gone = old.gone
	r.loaded(e, t, item, bytes)
	if e.gone {
		return nil
	}
	hot := old.network != nil
	r.leave(old)
	r.entries.Add(e.name, e)
	r.stats.Replacements++
	r.log.Info("task replaced", "task", e.name, "bytes", bytes)
	if hot || r.pinned[e.name] {
		r.want(e)
	}
	return nil
}

// problemOf returns the class of an error that makes a task unusable.
func problemOf(err error) string {
	if class := failure.Class(err); class != "" {
		return class
	}
	return err.Error()
}

// prefetch brings the pinned tasks into memory, and then those that are to be
// there from the beginning, as far as there is room for them.
func (r *residency) prefetch(names []string, all bool) {
	r.loadAll(r.pinnedNames(), false)
	if all {
		items, err := r.store.List(r.ctx)
		if err != nil {
			r.log.Error("tasks not prefetched", "error", err)
			return
		}
		names = names[:0]
		for _, item := range items {
			names = append(names, item.Task)
		}
	}
	r.loadAll(names, true)
}

// loadAll loads tasks; with room only as long as nothing has to make way.
func (r *residency) loadAll(names []string, room bool) {
	g, ctx := errgroup.WithContext(r.ctx)
	g.SetLimit(r.quota.loads)
	for _, name := range names {
		if ctx.Err() != nil || room && r.full() {
			break
		}
		g.Go(func() error {
			e, err := r.acquire(ctx, name)
			if err == nil {
				r.release(e)
			}
			return nil // reported where it failed; the others are loaded all the same
		})
	}
	_ = g.Wait()
}

// full tells whether a task of the usual size might not fit.
func (r *residency) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(max(1, r.entries.Len()))
	return r.used+int64(r.quota.loads+1)*((r.used-r.hotBytes)/n) > r.budget()
}

func (r *residency) pinnedNames() []string {
	names := make([]string, 0, len(r.pinned))
	for name := range r.pinned {
		names = append(names, name)
	}
	return names
}

// list looks at the store for the first time.
func (r *residency) list(ctx context.Context) error {
	items, err := r.store.List(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listed = make(map[string]delta.Item, len(items))
	for _, item := range items {
		r.listed[item.Task] = item
	}
	return nil
}

// begin starts what goes on beside requests.
func (r *residency) begin(c Config) {
	r.owned.Go(r.promoter)
	if len(c.Pin) > 0 || len(c.Prefetch) > 0 || c.PrefetchAll {
		r.owned.Go(func() { r.prefetch(c.Prefetch, c.PrefetchAll) })
	}
	if r.watched = c.Watch > 0; r.watched {
		r.owned.Go(func() { r.watch(c.Watch) })
	}
}

// reachable reports why the store cannot be read, or nil: what the last look
// found, or a new one if nobody looks.
func (r *residency) reachable() error {
	if !r.watched {
		_, err := r.store.List(r.ctx)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.listedErr
}
