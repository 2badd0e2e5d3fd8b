package cache

import (
	"errors"
	"time"

	"kenserve/runtime/internal/failure"
)

// usage is what the cache knows of a task beside its residency.
type usage struct {
	labels     []string
	thresholds []float64
	requests   uint64
	hits       uint64
	loads      uint64
	promotions uint64
	loadTime   time.Duration // of the last load
	lastUsed   time.Time
	problem    string // why the store's present delta is not served; empty: it is
	version    string // of the delta that has the problem
	popularity popularity
}

// setProblem records why a version of the task's delta is not served; an empty
// problem: it is.
func (u *usage) setProblem(problem, version string) { u.problem, u.version = problem, version }

// usageOf returns the usage of a task that was loaded.
func (c *Cache) usageOf(name string) *usage {
	u := c.usage[name]
	if u == nil {
		u = &usage{}
		c.usage[name] = u
	}
	return u
}

// Info describes a task.
type Info struct {
	Labels     []string  // nil: the task was never loaded
	Thresholds []float64 // by label; nil: the task has none, or was never loaded
	Loaded     bool      // it is warm or hot
	Hot        bool
	Pinned     bool
	Bytes      int64 // of memory that it holds now
	Requests   uint64
	Hits       uint64 // requests that found it loaded
	Loads      uint64
	Promotions uint64
	LoadTime   time.Duration // of the last load
	LastUsed   time.Time     // zero: never
	Problem    string        // why the store's present delta is not served; empty: it is
	Digest     string        // SHA-256 of the delta in memory; empty: none is
}

// Describe returns what is known of a task.
func (c *Cache) Describe(name string, now time.Time) Info {
	info := Info{Pinned: c.pinned[name]}
	if e, ok := c.entries.Peek(name); ok && e.task != nil {
		info.Loaded, info.Hot, info.Bytes, info.Digest = true, e.network != nil, e.heldBytes(), e.task.Digest()
	}
	if u := c.usage[name]; u != nil {
		info.Labels, info.Thresholds, info.Requests, info.LastUsed = u.labels, u.thresholds, u.requests, u.lastUsed
		info.Hits, info.Loads, info.Promotions, info.LoadTime = u.hits, u.loads, u.promotions, u.loadTime
		info.Problem = u.problem
	}
	if f, ok := c.failures.Peek(name); ok && now.Before(f.until) {
		if errors.Is(f.err, failure.ErrTaskUnusable) {
			info.Problem = failure.Class(f.err)
		}
	}
	return info
}

// Problems returns why the tasks that the store's present delta is not served for are
// not, by task.
func (c *Cache) Problems() map[string]string {
	problems := map[string]string{}
	for name, u := range c.usage {
		if u.problem != "" {
			problems[name] = u.problem
		}
	}
	return problems
}

// Digests returns the SHA-256 of the deltas in memory, by task.
func (c *Cache) Digests() map[string]string {
	digests := map[string]string{}
	for _, name := range c.entries.Keys() {
		if e, _ := c.entries.Peek(name); e.task != nil {
			digests[name] = e.task.Digest()
		}
	}
	return digests
}

// ReportProblem records that the loaded delta of an entry cannot be computed with. It
// tells whether that was not known.
func (c *Cache) ReportProblem(e *Entry, problem string) (news bool) {
	u := c.usage[e.name]
	if u == nil || e.detached || u.problem == problem {
		return false
	}
	u.setProblem(problem, e.version)
	return true
}

// Stats is a snapshot. Counters only grow.
type Stats struct {
	TaskBytes   int64 // of tasks in memory, and reserved for loads and promotions
	BudgetBytes int64 // bound of TaskBytes
	HotBytes    int64 // of TaskBytes: hot networks
	WarmBytes   int64 // of TaskBytes: the rest

	Resident  int // tasks in memory: hot and warm ones
	HotTasks  int
	WarmTasks int

	Hits       uint64 // requests that found their task loaded
	Misses     uint64 // requests that began a load or waited for one
	Loads      uint64
	LoadErrors uint64

	Promotions   uint64 // warm to hot
	Demotions    uint64 // hot to warm
	Evictions    uint64 // warm to cold, to make room
	Replacements uint64 // of a loaded delta by a newer version

	LoadSeconds      float64 // spent loading, summed
	LoadQueueSeconds float64 // that loads waited for their turn, summed
	LoadsWaiting     int     // loads that wait for their turn now
}

// Stats returns a snapshot.
func (c *Cache) Stats() Stats {
	s := c.stats
	s.TaskBytes, s.BudgetBytes = c.usedBytes, c.budget()
	s.HotTasks, s.HotBytes = c.hot.Len(), c.hotBytes
	s.WarmBytes = c.usedBytes - c.hotBytes
	for _, e := range c.entries.Values() {
		if e.task != nil {
			s.Resident++
		}
	}
	s.WarmTasks = s.Resident - s.HotTasks
	return s
}
