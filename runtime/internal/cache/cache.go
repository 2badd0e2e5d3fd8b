// Package cache decides which tasks are in memory, and in which tier.
//
// It only decides. It has no goroutines, no clock and no lock, and it neither
// reads nor waits: its owner does that, calls every method with one mutex held,
// and passes the time. So all of its policy can be tested as a table of events.
//
// # Tiers
//
// A task is warm when its delta is in memory, and hot when it also has a network
// over weights of its own. Warm and hot tasks share one budget in bytes. When it
// is full the least recently used tasks move down a tier, from hot to warm or
// from warm to cold; see [Cache.Reserve]. A warm task becomes hot when requests
// for it are frequent; see [Cache.CountRequest].
//
// # Entries
//
// An [Entry] is a task in memory, or one that is being loaded. New requests find
// attached entries. However many requests ask for a task, it has one attached
// entry and so one load. An entry is detached when its task is evicted, replaced
// or removed: new requests do not find it any more, but requests that hold a
// reference finish with it. Its bytes are free when the last reference is gone.
//
// golang-lru keeps the orders of use. It counts entries only, so bytes,
// references and loads are counted here.
package cache

import (
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"kenserve/models"
)

// Config sets the bounds of a cache.
type Config struct {
	// Budget returns the bytes that tasks may take now. It may change from one
	// call to the next.
	Budget func() int64
	// RetryAfter is how long a failed load is remembered.
	RetryAfter time.Duration
	// MaxWaitingLoads bounds the loads that wait for their turn.
	MaxWaitingLoads int
	// Pinned names tasks that become hot at once and are never evicted.
	Pinned []string
}

// Cache holds the entries and their bytes.
type Cache struct {
	config Config
	pinned map[string]bool

	entries  *simplelru.LRU[string, *Entry]      // attached, by order of use
	hot      *simplelru.LRU[string, *Entry]      // those of entries that are hot, by order of use
	failures *simplelru.LRU[string, *failedLoad] // see Acquire
	usage    map[string]*usage                   // by task; also of tasks that are cold now

	usedBytes     int64 // of all tasks in memory, and reserved for loads and promotions
	hotBytes      int64 // of usedBytes: hot networks, those being made included
	detachedBytes int64 // of usedBytes: entries that are detached but still referenced

	requests uint64 // so far, for all tasks: the clock of popularity
	stats    Stats
}

// Task is the part of a loaded task that the cache needs.
type Task interface {
	Labels() []string
	// Thresholds are the probabilities from which each label is predicted; nil: none.
	Thresholds() []float64
	// Digest returns the SHA-256 of the delta, in hexadecimal.
	Digest() string
	// HotBytes returns what a hot network takes beside the warm task; 0: the
	// task cannot become hot.
	HotBytes() int64
	// QuickToPromote tells that making the hot network takes no longer than a text or
	// two.
	QuickToPromote() bool
	// Close releases the delta. The cache calls it once, when neither a request
	// nor a promotion holds a reference.
	Close() error
}

// Entry is a task that is in memory or being loaded.
type Entry struct {
	name  string
	ready chan struct{} // closed when the load has ended

	// Set before ready is closed, and constant afterwards.
	task    Task   // nil: not loaded
	err     error  // why it could not be loaded
	version string // of the delta that was loaded, as the store names it

	// Under the owner's mutex.
	references      int
	requests        int            // counted since it was loaded
	bytes           int64          // of the warm task, part of usedBytes
	network         models.Network // hot, or nil
	networkUsers    int            // batches that compute with network
	detached        bool           // new requests do not find it
	promotionQueued bool
	promotionFailed bool
	replacing       bool   // a newer version is being loaded
	refusedVersion  string // the newer version that could not be loaded
}

// Name returns the task's name.
func (e *Entry) Name() string { return e.name }

// Ready returns a channel that is closed when the load has ended. From then on
// Task and Err may be called without the owner's mutex.
func (e *Entry) Ready() <-chan struct{} { return e.ready }

// Task returns the loaded task, or nil.
func (e *Entry) Task() Task { return e.task }

// Err returns why the task could not be loaded.
func (e *Entry) Err() error { return e.err }

// heldBytes returns the bytes of an entry in memory.
func (e *Entry) heldBytes() int64 {
	if e.network != nil {
		return e.bytes + e.task.HotBytes()
	}
	return e.bytes
}

const (
	// maxEntries is the bound that golang-lru asks for. The real bound is in bytes.
	maxEntries = 1 << 30
	// maxFailures bounds the failures that are remembered, because a client can
	// invent any number of task names.
	maxFailures = 4096
)

// New returns an empty cache.
func New(c Config) (*Cache, error) {
	entries, err := simplelru.NewLRU[string, *Entry](maxEntries, nil)
	if err != nil {
		return nil, fmt.Errorf("runtime: create cache: %w", err)
	}
	hot, err := simplelru.NewLRU[string, *Entry](maxEntries, nil)
	if err != nil {
		return nil, fmt.Errorf("runtime: create cache: %w", err)
	}
	failures, err := simplelru.NewLRU[string, *failedLoad](maxFailures, nil)
	if err != nil {
		return nil, fmt.Errorf("runtime: create cache: %w", err)
	}
	pinned := map[string]bool{}
	for _, name := range c.Pinned {
		pinned[name] = true
	}
	return &Cache{
		config: c, pinned: pinned, entries: entries, hot: hot, failures: failures, usage: map[string]*usage{},
	}, nil
}

// budget returns the bytes that tasks may take now.
func (c *Cache) budget() int64 { return c.config.Budget() }

// newEntry returns a detached entry with one reference, for a task to be loaded.
func newEntry(name string) *Entry {
	return &Entry{name: name, ready: make(chan struct{}), references: 1}
}
