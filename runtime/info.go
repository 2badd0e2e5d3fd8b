package runtime

import "time"

// Residency is the tier of a task.
type Residency string

// The tiers.
const (
	Hot  Residency = "hot"  // its changed weights are materialised in the kernels' layout
	Warm Residency = "warm" // its delta is in memory, ready to be applied
	Cold Residency = "cold" // it is only in the store
)

// TaskInfo describes a task of the store.
type TaskInfo struct {
	Name       string
	Labels     []string  // nil: the task was never loaded
	Thresholds []float64 // probabilities from which each label is predicted; nil: none, or never loaded
	Residency  Residency
	Bytes      int64 // of memory the task holds now
	Pinned     bool  // hot from the start and never evicted
	Requests   uint64
	Hits       uint64        // requests that found it in memory
	Loads      uint64        // from the store
	LoadTime   time.Duration // of the last load
	Promotions uint64        // from warm to hot
	LastUsed   time.Time     // zero: never
	// Problem is the class of the reason why the store's delta is not served;
	// empty: it is served. With a problem, an older delta is served, or none.
	Problem string
	// Digest is the SHA-256 of the delta in memory, in the fast layout, in
	// hexadecimal; empty: none is in memory.
	Digest string
}

// Stats is a snapshot of an engine. Counters count from Open and only grow.
type Stats struct {
	BaseBytes   int64 // of the base's weights
	BaseChanged bool  // see ErrBaseChanged
	TaskBytes   int64 // of tasks in memory, and reserved for loads and promotions
	BudgetBytes int64 // bound of TaskBytes
	HotBytes    int64 // of TaskBytes: hot networks
	WarmBytes   int64 // of TaskBytes: the rest

	StoreTasks int // tasks of the store, when it was last listed
	Resident   int // tasks in memory now, hot and warm ones
	HotTasks   int
	WarmTasks  int

	Hits       uint64 // requests that found their task in memory
	Misses     uint64 // requests that began a load or waited for one
	Loads      uint64 // deltas loaded from the store
	LoadErrors uint64
	// Transitions between the tiers: cold to warm are Loads.
	Promotions   uint64 // warm to hot
	Demotions    uint64 // hot to warm
	Evictions    uint64 // warm to cold, to make room
	Replacements uint64 // of a delta in memory by a newer one

	LoadSeconds      float64 // spent loading, summed
	LoadQueueSeconds float64 // that loads waited for their turn, summed
	LoadsWaiting     int     // loads that wait for their turn now

	Batches uint64 // forward passes
	Tokens  uint64 // tokens computed
	Waiting int    // requests waiting for execution now
	// WaitingTokens counts the tokens of waiting texts that are encoded already.
	WaitingTokens int
	// WorkspaceBytes is the memory for activations. On every core it grows to what
	// the largest batch needed.
	WorkspaceBytes int64
}
