package cache

// hotShare is the share of the budget, one in hotShare, that hot networks have
// before warm tasks, and warm tasks before hot networks. Either tier may borrow
// room that the other does not use; it is reclaimed on demand. So a scan over
// all tasks does not evict the hot ones, and the hot ones leave room for many
// warm tasks.
const hotShare = 2

// Reserve takes bytes of the budget for a load, and tells whether it could.
// It makes room as follows, always least recently used first:
//
//  1. Tasks move down a tier that nothing uses: warm ones become cold, then hot
//     ones warm; hot ones first if they have more than their share.
//  2. If that is not enough, tasks in use are detached. Reserve returns false;
//     there is room when the requests that use them have finished.
func (c *Cache) Reserve(bytes int64) bool {
	if !c.makeRoom(bytes) {
		return false
	}
	c.usedBytes += bytes
	return true
}

// Unreserve gives back bytes that Reserve took.
func (c *Cache) Unreserve(bytes int64) { c.usedBytes -= bytes }

// MaxTaskBytes returns the bytes that a task could get if all others that may be
// evicted were: the budget without the other pinned tasks.
func (c *Cache) MaxTaskBytes(name string) int64 {
	limit := c.budget()
	for pinned := range c.pinned {
		if e, ok := c.entries.Peek(pinned); ok && e.task != nil && pinned != name {
			limit -= e.heldBytes()
		}
	}
	return limit
}

// NearlyFull tells whether loads tasks of the mean warm size, which may be loading
// already, and one more might not fit without an eviction.
func (c *Cache) NearlyFull(loads int) bool {
	n := int64(max(1, c.entries.Len()))
	return c.usedBytes+int64(loads+1)*((c.usedBytes-c.hotBytes)/n) > c.budget()
}

func (c *Cache) makeRoom(bytes int64) bool {
	budget := c.budget()
	for c.usedBytes+bytes > budget {
		first, second := c.evictIdle, c.demoteIdle
		if c.hotBytes > budget/hotShare {
			first, second = second, first
		}
		if first() || second() {
			continue
		}
		for c.usedBytes-c.detachedBytes+bytes > budget && c.detachBusy() {
		}
		return false
	}
	return true
}

// trim evicts idle tasks if the budget has become smaller than what is used.
func (c *Cache) trim() {
	for c.usedBytes-c.detachedBytes > c.budget() && (c.demoteIdle() || c.evictIdle()) {
	}
}

// evictIdle evicts the least recently used warm task that no request uses, and
// tells whether there was one.
func (c *Cache) evictIdle() bool {
	return firstInOrder(c.entries, func(e *Entry) bool {
		if e.references > 0 || e.task == nil || e.network != nil || c.pinned[e.name] {
			return false
		}
		c.evict(e)
		return true
	})
}

// demoteIdle demotes the least recently used hot task with which no batch
// computes at the moment, and tells whether there was one.
func (c *Cache) demoteIdle() bool {
	return firstInOrder(c.hot, func(e *Entry) bool {
		if e.networkUsers > 0 || c.pinned[e.name] {
			return false
		}
		c.demote(e)
		return true
	})
}

// detachBusy detaches the least recently used loaded task, although requests use
// it, and tells whether there was one. New requests load the task again.
func (c *Cache) detachBusy() bool {
	return firstInOrder(c.entries, func(e *Entry) bool {
		if e.task == nil || c.pinned[e.name] {
			return false
		}
		c.evict(e)
		return true
	})
}

// lru is the part of golang-lru's list that firstInOrder needs.
type lru interface {
	Len() int
	GetOldest() (string, *Entry, bool)
	Get(name string) (*Entry, bool)
}

// firstInOrder calls try for the list's entries, least recently used first,
// until it returns true. Entries for which it returns false become the most
// recently used ones, because they are kept for being in use.
func firstInOrder(list lru, try func(e *Entry) bool) bool {
	for range list.Len() {
		name, e, ok := list.GetOldest()
		if !ok {
			return false
		}
		if try(e) {
			return true
		}
		list.Get(name)
	}
	return false
}

func (c *Cache) evict(e *Entry) {
	c.detach(e)
	c.stats.Evictions++
}

// demote takes a task's hot network away.
func (c *Cache) demote(e *Entry) {
	c.hot.Remove(e.name)
	e.network = nil
	c.usedBytes -= e.task.HotBytes()
	c.hotBytes -= e.task.HotBytes()
	c.stats.Demotions++
}

// detach makes an entry invisible to new requests. Its bytes are free now, or
// when the last reference is gone.
func (c *Cache) detach(e *Entry) {
	if e.detached {
		return
	}
	e.detached = true
	c.entries.Remove(e.name)
	if e.task == nil {
		return // Loaded finds out
	}
	if e.network != nil {
		c.hot.Remove(e.name)
	}
	if e.references > 0 {
		c.detachedBytes += e.heldBytes()
		return
	}
	c.free(e)
}

// free gives back the bytes of an entry without references, and returns them.
func (c *Cache) free(e *Entry) int64 {
	held := e.heldBytes()
	c.usedBytes -= held
	if e.network != nil {
		c.hotBytes -= e.task.HotBytes()
		e.network = nil
	}
	_ = e.task.Close()
	return held
}

// Detach takes a task out of memory, or keeps one that is being loaded from
// getting there. It tells whether there was any.
func (c *Cache) Detach(name string) bool {
	e, ok := c.entries.Peek(name)
	if ok {
		c.detach(e)
	}
	return ok
}

// DetachEntry is Detach for the entry e, and does nothing if the task has
// another one by now.
func (c *Cache) DetachEntry(e *Entry) { c.detach(e) }

// DetachAll takes all tasks out of memory.
func (c *Cache) DetachAll() {
	for _, e := range c.entries.Values() {
		c.detach(e)
	}
}

// DetachedBytes returns the bytes of detached tasks that requests still use.
func (c *Cache) DetachedBytes() int64 { return c.detachedBytes }
