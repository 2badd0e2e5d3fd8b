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
	Name      string
	Labels    []string // nil until the task was loaded once
	Residency Residency
	Bytes     int64 // of memory the task holds now
	Requests  uint64
	LastUsed  time.Time // zero when never
}

// Stats counts what the engine did since it was opened. Bytes and counts are
// a snapshot; counters only grow.
type Stats struct {
	BaseBytes   int64  // of the base's panels and tables
	TaskBytes   int64  // of loaded tasks
	BudgetBytes int64  // what TaskBytes stays within
	Resident    int    // tasks loaded now
	Loads       uint64 // deltas loaded from the store
	LoadErrors  uint64
	Evictions   uint64
	LoadSeconds float64 // spent loading, summed
	Batches     uint64  // forward passes
	Tokens      uint64  // tokens computed
	Waiting     int     // requests waiting for execution now
	// WaitingTokens are those of their texts, as far as they are encoded.
	WaitingTokens int
	// WorkspaceBytes is the memory for activations. It grows to what the largest
	// batch took, on every core.
	WorkspaceBytes int64
}
