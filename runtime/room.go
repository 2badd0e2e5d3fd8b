package runtime

import (
	"fmt"
	"slices"

	"kenserve/runtime/internal/failure"
)

// hotShare is the share of the budget, one in hotShare, that hot networks have
// before warm tasks, and warm tasks before hot networks. What one side leaves
// the other may use until it is asked back: so neither a scan over all tasks
// flushes the hot ones, nor do these leave no room for the many.
const hotShare = 2

// budget returns the bytes that tasks may take now.
func (r *residency) budget() int64 {
	if r.quota.activations == nil {
		return r.quota.budget
	}
	return r.quota.budget - r.quota.activations()
}

// reserve makes room for a load, and waits for it behind those that came
// before, as long as a request still wants it.
func (r *residency) reserve(e *entry, bytes int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if most := r.budget() - r.pinnedBytes(e.name); bytes > most {
		return &failure.TaskError{Task: e.name, Class: "it does not fit the memory for tasks", Err: fmt.Errorf("it needs %d bytes, there are %d", bytes, most)}
	}
	if len(r.queue) == 0 && r.makeRoom(bytes) {
		r.used += bytes
		return nil
	}
	r.queue = append(r.queue, e)
	defer func() {
		r.queue = slices.DeleteFunc(r.queue, func(q *entry) bool { return q == e })
		r.wake() // the next one is first now
	}()
	for {
		if r.ctx.Err() != nil {
			return ErrClosed
		}
		if e.refs == 0 {
			return errAbandoned
		}
		if r.queue[0] == e && r.makeRoom(bytes) {
			r.used += bytes
			return nil
		}
		released := r.released
		r.mu.Unlock()
		select {
		case <-released:
		case <-r.ctx.Done():
		}
		r.mu.Lock()
	}
}

// unreserve gives back what reserve took.
func (r *residency) unreserve(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= bytes
	r.wake()
}

// pinnedBytes returns what pinned tasks other than the one of this name hold:
// no other can have it.
func (r *residency) pinnedBytes(but string) int64 {
	sum := int64(0)
	for name := range r.pinned {
		if e, ok := r.entries.Peek(name); ok && e.task != nil && name != but {
			sum += e.bytes
			if e.network != nil {
				sum += e.task.hotBytes
			}
		}
	}
	return sum
}

// makeRoom tells whether bytes more fit, after it has dropped what is idle. If
// that is not enough, tasks in use leave: as soon as their requests are through
// there is room.
func (r *residency) makeRoom(bytes int64) bool {
	budget := r.budget()
	for r.used+bytes > budget {
		first, then := r.evictIdle, r.demoteIdle
		if r.hotBytes > budget/hotShare {
			first, then = then, first
		}
		if first() || then() {
			continue
		}
		for r.used-r.leaving+bytes > budget && r.evictBusy() {
		}
		return false
	}
	return true
}

// trim drops what is idle if the budget has become smaller than what is used.
func (r *residency) trim() {
	for r.used-r.leaving > r.budget() && (r.demoteIdle() || r.evictIdle()) {
	}
}

// oldest calls try for the list's entries, least recently used first, until it
// returns true. Those that it leaves become the most recently used ones, for
// they are kept because they are in use.
func (r *residency) oldest(list lru, try func(e *entry) bool) bool {
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

// lru is golang-lru's list.
type lru interface {
	Len() int
	GetOldest() (string, *entry, bool)
	Get(name string) (*entry, bool)
}

// evictIdle drops the least recently used warm task that no request uses, and
// tells whether there was one.
func (r *residency) evictIdle() bool {
	return r.oldest(r.entries, func(e *entry) bool {
		if e.refs > 0 || e.task == nil || e.network != nil || r.pinned[e.name] {
			return false
		}
		r.leave(e)
		r.stats.Evictions++
		return true
	})
}

// demoteIdle makes the least recently used hot task warm with which nothing
// computes at the moment, and tells whether there was one.
func (r *residency) demoteIdle() bool {
	return r.oldest(r.hot, func(e *entry) bool {
		if e.users > 0 || r.pinned[e.name] {
			return false
		}
		r.demote(e)
		return true
	})
}

// evictBusy has the least recently used task leave that is in use. New requests
// for it load it again.
func (r *residency) evictBusy() bool {
	return r.oldest(r.entries, func(e *entry) bool {
		if e.task == nil || r.pinned[e.name] {
			return false
		}
		r.leave(e)
		r.stats.Evictions++
		return true
	})
}

// demote takes a task's hot network away.
func (r *residency) demote(e *entry) {
	r.hot.Remove(e.name)
	e.network = nil
	r.used -= e.task.hotBytes
	r.hotBytes -= e.task.hotBytes
	r.stats.Demotions++
}

// leave takes an entry out of the list. What it holds is free now, or with the
// last reference.
func (r *residency) leave(e *entry) {
	if e.gone {
		return
	}
	e.gone = true
	r.entries.Remove(e.name)
	if e.task == nil {
		return // its load will see
	}
	if e.network != nil {
		r.hot.Remove(e.name)
	}
	if e.refs > 0 {
		r.leaving += e.held()
		return
	}
	r.free(e)
}

// free gives back what an entry without references held.
func (r *residency) free(e *entry) int64 {
	held := e.held()
	r.used -= held
	if e.network != nil {
		r.hotBytes -= e.task.hotBytes
		e.network = nil
	}
	_ = e.task.delta.Close()
	return held
}

// held returns the bytes of an entry in memory.
func (e *entry) held() int64 {
	if e.network != nil {
		return e.bytes + e.task.hotBytes
	}
	return e.bytes
}
