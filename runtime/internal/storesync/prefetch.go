package storesync

import "golang.org/x/sync/errgroup"

// prefetch loads the pinned tasks, and then the tasks to prefetch as far as
// there is room.
func (l *Loader) prefetch() {
	l.loadAll(l.config.Pin, false)
	names := l.config.Prefetch
	if l.config.PrefetchAll {
		items, err := l.List()
		if err != nil {
			l.log.Error("tasks not prefetched", "error", err)
			return
		}
		names = nil
		for _, item := range items {
			names = append(names, item.Task)
		}
	}
	l.loadAll(names, true)
}

// loadAll loads tasks, config.Loads at a time. With onlyFree it stops before a
// load might evict a task.
func (l *Loader) loadAll(names []string, onlyFree bool) {
	var g errgroup.Group
	g.SetLimit(l.config.Loads)
	for _, name := range names {
		if l.ctx.Err() != nil || onlyFree && l.nearlyFull() {
			break
		}
		g.Go(func() error {
			l.touch(name)
			return nil // a failure is logged where it happens, and the others are loaded all the same
		})
	}
	_ = g.Wait()
}

func (l *Loader) nearlyFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cache.NearlyFull(l.config.Loads)
}
