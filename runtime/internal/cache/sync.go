package cache

import (
	"errors"

	"kenserve/runtime/internal/failure"
)

// Listed is a task as a listing of the store shows it.
type Listed struct {
	Version string // changes whenever the delta does
	// Stable tells that the listing before showed the same. Only then is a new
	// version loaded, because a file may be listed while it is being copied.
	Stable bool
}

// Changes says how memory differs from the store.
type Changes struct {
	Removed []string // tasks that were in memory, and are detached now
	Replace []*Entry // to be loaded in a newer version, see BeginReplacement
	Load    []string // pinned tasks that are not in memory
}

// Sync compares memory with a listing of the store, by task. It detaches tasks
// that were removed, forgets failures of deltas that have changed since, and
// returns what the caller has to load.
func (c *Cache) Sync(listing map[string]Listed) Changes {
	var changes Changes
	for _, name := range c.failures.Keys() {
		f, _ := c.failures.Peek(name)
		item, ok := listing[name]
		if ok && item.Version != f.version || errors.Is(f.err, failure.ErrStoreAway) { // it is back
			c.failures.Remove(name)
		}
	}
	for _, name := range c.entries.Keys() {
		e, _ := c.entries.Peek(name)
		if e.task == nil {
			continue
		}
		item, ok := listing[name]
		switch {
		case !ok:
			c.detach(e)
			changes.Removed = append(changes.Removed, name)
		case item.Version == e.version:
			e.refusedVersion = ""
			if u := c.usageOf(name); u.version != e.version { // the refused delta was taken back
				u.setProblem("", "")
			}
		case item.Version != e.refusedVersion && item.Stable:
			changes.Replace = append(changes.Replace, e)
		}
	}
	for name, u := range c.usage {
		item, listed := listing[name]
		switch inMemory := c.entries.Contains(name); {
		case !listed && !inMemory:
			delete(c.usage, name)
		case listed && !inMemory && item.Version != u.version: // the delta with the problem was replaced
			u.setProblem("", "")
		}
	}
	for name := range c.pinned {
		if _, ok := listing[name]; ok && !c.entries.Contains(name) && !c.failures.Contains(name) {
			changes.Load = append(changes.Load, name)
		}
	}
	return changes
}

// BeginReplacement returns an entry, with a reference, into which the caller
// loads a newer version of old's task. It ends with Replaced or
// ReplacementFailed, and then Release. It returns nil if old is detached or is
// being replaced already.
func (c *Cache) BeginReplacement(old *Entry) *Entry {
	if old.detached || old.replacing {
		return nil
	}
	old.replacing = true
	c.stats.LoadsWaiting++
	return newEntry(old.name)
}

// Replaced attaches the entry e, now loaded, in place of old; see Loaded. If old
// was detached meanwhile, maybe because the store has a still newer version, e
// is not attached. promote tells whether the task should be promoted at once.
func (c *Cache) Replaced(old, e *Entry, task Task, version string, bytes int64) (attached, promote bool) {
	old.replacing = false
	e.detached = old.detached
	c.setLoaded(e, task, version, bytes)
	close(e.ready)
	if e.detached {
		return false, false
	}
	promote = old.network != nil || c.pinned[e.name]
	c.detach(old)
	c.entries.Add(e.name, e)
	c.stats.Replacements++
	return true, promote
}

// ReplacementFailed ends a replacement whose load failed: old stays in service,
// and version is not tried again unless the store or a disk was at fault. An abort is
// the end of the engine, and no fault of the version. If old was detached meanwhile, the
// store may have a still newer version, and nothing is remembered.
func (c *Cache) ReplacementFailed(old, e *Entry, err error, version string, abort bool) {
	old.replacing = false
	e.err, e.detached = err, true
	close(e.ready)
	if abort || old.detached {
		return
	}
	if !errors.Is(err, failure.ErrStoreAway) && !errors.Is(err, failure.ErrNoSpace) {
		old.refusedVersion = version
	}
	c.stats.LoadErrors++
	if u := c.usage[e.name]; u != nil {
		u.setProblem(failure.Class(err), version)
	}
}

// Attached returns the entry that new requests find, if there is one.
func (c *Cache) Attached(name string) (*Entry, bool) { return c.entries.Peek(name) }

// Forget detaches a task that was removed from the store, and drops what is
// known of it.
func (c *Cache) Forget(name string) {
	c.Detach(name)
	delete(c.usage, name)
}
