package runtime

import "time"

// Residency says where a task's weights are; see design: hot, warm or cold.
type Residency string

// The tiers.
const (
	Hot  Residency = "hot"  // patched weights materialised in the kernel's layout
	Warm Residency = "warm" // the delta in memory, ready to be applied
	Cold Residency = "cold" // only in the store
)

// TaskInfo describes a task of the store.
type TaskInfo struct {
	Name       string
	Labels     []string // nil until the task was loaded once
	Residency  Residency
	Bytes      int64 // of memory the task holds now
	Pinned     bool  // never made to leave memory
	Requests   uint64
	Hits       uint64        // requests that found it in memory
	Loads      uint64        // from the store
	LoadTime   time.Duration // of the last load
	Promotions uint64        // from warm to hot
	LastUsed   time.Time     // zero when never
	// Problem is the class of the reason why what the store has of the task is
	// not served, if it is not: then nothing is, or an older delta.
	Problem string
}

// Stats counts what the engine did since it was opened. Bytes and counts are
// a snapshot; counters only grow.
type Stats struct {
	BaseBytes   int64 // of the base's panels and tables
	TaskBytes   int64 // of tasks in memory, and promised to loads under way
	BudgetBytes int64 // what TaskBytes stays within
	HotBytes    int64 // of TaskBytes, hot networks
	WarmBytes   int64 // of TaskBytes, the rest

	StoreTasks  int // tasks of the store, when it was last looked through
	Resident    int // tasks in memory now: hot and warm ones
	HotTasks    int
	WarmTasks   int
	PinnedTasks int // that are to be pinned

	Hits       uint64 // requests that found their task in memory
	Misses     uint64 // requests that began a load or waited for one
	Loads      uint64 // deltas loaded from the store
	LoadErrors uint64
	// Transitions between the tiers: cold to warm are Loads.
	Promotions   uint64 // warm to hot
	Demotions    uint64 // hot to warm
	Evictions    uint64 // warm to cold, to make room
	Replacements uint64 // of a delta in memory by a newer one of the store

	LoadSeconds      float64 // spent loading, summed
	LoadQueueSeconds float64 // that loads waited for their turn, summed
	LoadsWaiting     int     // loads that wait for their turn now

	Batches uint64 // forward passes
	Tokens  uint64 // tokens computed
	Waiting int    // requests waiting for execution now
	// WaitingTokens are those of their texts, as far as they are encoded.
	WaitingTokens int
	// WorkspaceBytes is the memory for activations. It grows to what the largest
	// batch took, on every core.
	WorkspaceBytes int64
}
