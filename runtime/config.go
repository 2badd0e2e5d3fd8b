package runtime

import (
	"fmt"
	"log/slog"
	goruntime "runtime"
	"time"

	"kenserve/delta/store"
	"kenserve/gemm"
)

// Config configures an engine. Negative numbers are errors.
type Config struct {
	BaseDir string      // Hugging Face folder of the base
	Store   store.Store // of the tasks
	// Cache is where deltas in the small layout are unpacked; nil: such tasks
	// cannot be loaded.
	Cache *store.Cache
	// Memory bounds the resident memory of the process: base, activations,
	// tasks, requests, the program itself and the garbage collector's share; 0:
	// three quarters of what the process may use.
	Memory int64
	// LimitHeap, if not nil, is called with the limit of Go's heap with which the
	// process stays within Memory, whenever it changes; see debug.SetMemoryLimit. The
	// engine then frees garbage before it allocates much at once. Nil: the engine is one
	// of several things in the process, and Memory only decides how much it takes
	// itself. Calls come from any goroutine, one at a time.
	LimitHeap func(bytes int64)
	// Budget bounds the bytes of tasks in memory; 0: the rest of Memory.
	Budget int64
	// Compute is the number type in which dense layers multiply; the default is
	// gemm.Float32. The others take less time or memory and round weights and
	// activations; see gemm.Compute. Heads are always float32.
	Compute gemm.Compute
	// Pin names tasks that are loaded and made hot when the engine is opened, and
	// never evicted.
	Pin []string
	// Prefetch names tasks that are loaded when the engine is opened, as far as
	// there is room.
	Prefetch    []string
	PrefetchAll bool // prefetch all tasks of the store
	// Watch is how often the store is listed to find new, replaced and removed
	// tasks; 0: never. A store that takes long to list is listed less often.
	Watch time.Duration
	// Loads is the number of tasks that are loaded at a time; 0: Workers.
	Loads int
	// Workers is the number of cores that compute; 0: all.
	Workers int
	// BatchTokens bounds a forward pass; 0: 1024. A longer text has a pass of its
	// own.
	BatchTokens int
	// BatchWait is how long a batch that is not full waits for more texts; 0: no
	// batch waits while a core is idle.
	BatchWait time.Duration
	// MaxTokens bounds a text, special tokens included; 0: the model's bound.
	MaxTokens int
	// MaxWaiting bounds the requests that wait for execution; 0: 1024.
	MaxWaiting int
	// MaxWaitingTokens is how many tokens may wait when another request is
	// admitted; 0: 262144. Only a few batches of one request wait at a time.
	MaxWaitingTokens int
	// RetryAfter is how long a failed load is remembered; 0: 5 seconds.
	RetryAfter time.Duration
	Log        *slog.Logger // nil: slog.Default()
}

func (c *Config) setDefaults() {
	if c.Memory == 0 {
		c.Memory = machineMemory() / 4 * 3
	}
	if c.Workers == 0 {
		c.Workers = goruntime.GOMAXPROCS(0)
	}
	if c.Loads == 0 {
		c.Loads = c.Workers
	}
	if c.BatchTokens == 0 {
		c.BatchTokens = 1024
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = 1024
	}
	if c.MaxWaitingTokens == 0 {
		c.MaxWaitingTokens = 1 << 18
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// defaultDeadline is the time from arrival by which a request should be done if its
// context has no deadline. It only decides the order of requests.
const defaultDeadline = 10 * time.Second

func (c *Config) check() error {
	for _, bound := range []struct {
		name  string
		value int64
	}{
		{"Memory", c.Memory}, {"Budget", c.Budget}, {"Watch", int64(c.Watch)}, {"Loads", int64(c.Loads)}, {"Workers", int64(c.Workers)},
		{"BatchTokens", int64(c.BatchTokens)}, {"BatchWait", int64(c.BatchWait)}, {"MaxTokens", int64(c.MaxTokens)},
		{"MaxWaiting", int64(c.MaxWaiting)}, {"MaxWaitingTokens", int64(c.MaxWaitingTokens)},
		{"RetryAfter", int64(c.RetryAfter)},
	} {
		if bound.value < 0 {
			return fmt.Errorf("Config.%s is %d: it must not be negative", bound.name, bound.value)
		}
	}
	return nil
}
