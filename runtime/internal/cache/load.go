package cache

import (
	"errors"
	"time"

	"kenserve/runtime/internal/failure"
)

// NewReservation returns an entry that no request finds, with one reference. It
// stands for a file that is checked but not served, while room is reserved.
func NewReservation(name string) *Entry { return newEntry(name) }

// failedLoad is why a task could not be loaded, remembered for a while.
type failedLoad struct {
	err     error
	version string // of the delta that failed; empty: the store had none
	until   time.Time
}

// ErrAbandoned is the error of a load that nobody waited for any more before it
// had room. It is not remembered.
var ErrAbandoned = errors.New("runtime: load abandoned")

// LoadBegins counts a load that waited so long for its turn.
func (c *Cache) LoadBegins(waited time.Duration) {
	c.stats.LoadsWaiting--
	c.stats.LoadQueueSeconds += waited.Seconds()
}

// LoadTook counts a delta that was loaded, for a request or as a replacement.
func (c *Cache) LoadTook(name string, took time.Duration) {
	c.stats.Loads++
	c.stats.LoadSeconds += took.Seconds()
	u := c.usageOf(name)
	u.loads++
	u.loadTime = took
}

// Loaded ends the load of an entry with the task, which takes bytes that are
// reserved already. It tells whether the task should be promoted at once.
func (c *Cache) Loaded(e *Entry, task Task, version string, bytes int64) (promote bool) {
	c.setLoaded(e, task, version, bytes)
	close(e.ready)
	return c.pinned[e.name]
}

func (c *Cache) setLoaded(e *Entry, task Task, version string, bytes int64) {
	e.task, e.version, e.bytes = task, version, bytes
	u := c.usageOf(e.name)
	u.labels, u.thresholds = task.Labels(), task.Thresholds()
	u.setProblem("", "")
	if e.detached { // while it was being loaded
		if e.references > 0 {
			c.detachedBytes += bytes
		} else {
			c.free(e)
		}
	}
}

// LoadFailed ends the load of an entry with an error, which is remembered unless
// nothing was tried, or the entry was detached meanwhile: the store may have another
// delta since then, and the error would be that of the next requests. It tells whether
// the error should be logged. version is that of the delta that failed, empty if the
// store has none.
func (c *Cache) LoadFailed(e *Entry, err error, version string, now time.Time) (log bool) {
	e.err = err
	current := !e.detached
	if current {
		e.detached = true
		c.entries.Remove(e.name)
	}
	close(e.ready)
	if errors.Is(err, failure.ErrClosed) || err == ErrAbandoned || !current {
		return false
	}
	c.failures.Add(e.name, &failedLoad{err: err, version: version, until: now.Add(c.config.RetryAfter)})
	if errors.Is(err, failure.ErrNoTask) {
		return false
	}
	c.stats.LoadErrors++
	if errors.Is(err, failure.ErrTaskUnusable) { // so the store has the task: clients cannot invent it
		c.usageOf(e.name).setProblem(failure.Class(err), version)
	}
	return true
}

// ClearFailure forgets a failed load, so that the next request tries again.
func (c *Cache) ClearFailure(name string) { c.failures.Remove(name) }
