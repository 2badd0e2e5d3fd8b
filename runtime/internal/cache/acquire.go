package cache

import (
	"time"

	"kenserve/models"
	"kenserve/runtime/internal/failure"
)

// Acquire returns the attached entry of a task with a reference, which the
// caller gives back with Release. If there is none it attaches a new one and
// returns load = true: the caller must load the task and report with Loaded or
// LoadFailed. A failure that is remembered is returned without another load. If
// too many loads are waiting, the error is failure.ErrBusy.
func (c *Cache) Acquire(name string, now time.Time) (e *Entry, load bool, err error) {
	if e, ok := c.entries.Get(name); ok {
		e.references++
		if e.task != nil {
			c.stats.Hits++
			if u := c.usage[name]; u != nil {
				u.hits++
			}
		} else {
			c.stats.Misses++
		}
		return e, false, nil
	}
	if f, ok := c.failures.Get(name); ok {
		if now.Before(f.until) {
			return nil, false, f.err
		}
		c.failures.Remove(name)
	}
	if c.stats.LoadsWaiting >= c.config.MaxWaitingLoads {
		return nil, false, failure.ErrBusy
	}
	c.stats.Misses++
	c.stats.LoadsWaiting++
	e = newEntry(name)
	c.entries.Add(name, e)
	return e, true, nil
}

// CountRequest counts a request for a loaded task and tells whether the task
// should be promoted. The caller then queues the promotion and reports that with
// PromotionQueued, or drops it, and a later request asks again.
func (c *Cache) CountRequest(e *Entry, now time.Time) (promote bool) {
	c.requests++
	u := c.usage[e.name]
	if u == nil {
		return false // the task was removed from the store meanwhile
	}
	u.requests++
	u.lastUsed = now
	u.popularity.add(c.requests)
	e.requests++
	if e.network != nil {
		if !e.detached {
			c.hot.Get(e.name)
		}
		return false
	}
	return c.shouldPromote(e)
}

// Release gives a reference back. It tells whether that was the last one, so
// that room may have become free.
func (c *Cache) Release(e *Entry) (last bool) {
	if e.references--; e.references > 0 {
		return false
	}
	if e.detached && e.task != nil {
		c.detachedBytes -= c.free(e)
	}
	c.trim()
	return true
}

// Abandoned tells whether no request waits for the entry any more.
func (e *Entry) Abandoned() bool { return e.references == 0 }

// UseNetwork returns the hot network for a batch, or nil if the task is warm.
// After the batch the caller calls NetworkUnused; until then the network is not
// demoted. The caller holds a reference.
func (c *Cache) UseNetwork(e *Entry) models.Network {
	if e.network != nil {
		e.networkUsers++
	}
	return e.network
}

// NetworkUnused ends one UseNetwork that returned a network. It tells whether no
// other batch uses it, so that room may have become free.
func (c *Cache) NetworkUnused(e *Entry) (last bool) {
	e.networkUsers--
	return e.networkUsers == 0
}
