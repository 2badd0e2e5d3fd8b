package runtime

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"kenserve/safetensors"
)

// The memory of the process, Config.Memory, is divided when the engine is opened:
//
//	fixed     the base's panels, the program, and memory of closed deltas
//	requests  connections, bodies, tokens, answers: see package memory
//	garbage   what the garbage collector has not freed yet
//	tasks     deltas, hot networks, and the activations of forward passes
//
// Each part but garbage has a bound that is kept before memory is allocated. Go's own
// limit keeps the garbage within its part: the collector runs when the heap nears it. It
// runs too late for a large task that takes the place of another one; see heapRoom.
const (
	// programBytes is what the program itself takes: its code and data, as far as they
	// were read, and what the garbage collector does not count.
	programBytes = 40 << 20
	// heapBytes is what the heap holds beside the base, tasks and requests: the
	// tokenizer, metrics, the index of the store.
	heapBytes = 32 << 20

	requestShare    = 8         // requests get one in requestShare of what the base leaves
	minRequestBytes = 32 << 20  // unless that is less than this,
	maxRequestBytes = 512 << 20 // or more than this
	minGarbageBytes = 12 << 20

	// The heap may exceed its limit for a moment, when the collector gets too little of
	// the cores. So the limit is lower than the heap's part by one in slackShare of the
	// memory.
	slackShare    = 20
	minSlackBytes = 16 << 20
	maxSlackBytes = 128 << 20
)

// slackBytes returns by how much the limit of the heap is lower than its part.
func slackBytes(memory int64) int64 {
	return min(max(memory/slackShare, minSlackBytes), maxSlackBytes, memory/8)
}

// shares is how memory is divided, in bytes.
type shares struct {
	requests, tasks int64
}

// divide divides the memory that is left if the base takes so many bytes. Without
// enough memory, tasks is not positive.
func divide(memory, base int64) shares {
	left := memory - base - programBytes - heapBytes - safetensors.SpareBytes - slackBytes(memory)
	requests := min(max(left/requestShare, minRequestBytes), maxRequestBytes, left/4)
	// Bodies and answers become garbage as fast as they are read and written.
	garbage := min(minGarbageBytes, left/8) + requests/2
	return shares{requests: requests, tasks: left - requests - garbage}
}

// heapRoom makes room in the process before much memory is allocated at once.
// Deltas lie outside of Go's heap, so the heap's limit falls when one is loaded and rises
// when it is gone. And Go's collector runs beside the program: while it looks for the
// memory of an evicted hot network, the next one may be allocated already, and both are
// resident. Its methods may be called from any goroutine. A nil heapRoom does nothing.
type heapRoom struct {
	total   int64             // for the heap and what is outside
	slack   int64             // see slackBytes
	limit   func(bytes int64) // tells the heap its limit
	held    func() int64      // what the heap holds of the system's memory now
	collect func()            // frees all garbage and gives it back to the system

	mu      sync.Mutex
	outside int64 // bytes outside of the heap
	pending int64 // about to be allocated

	checked time.Time // when behind looked last
	isSo    bool      // what it saw
}

// largeBytes is from where on an allocation waits for the garbage to be collected if
// there is no room. Smaller ones are within the garbage's part of the memory.
const largeBytes = 4 << 20

// newHeapRoom returns the room of the process's heap, and tells it its limit.
func newHeapRoom(total, slack int64, limit func(bytes int64)) *heapRoom {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	held := func() int64 {
		metrics.Read(samples)
		return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
	}
	h := &heapRoom{total: total, slack: slack, limit: limit, held: held, collect: debug.FreeOSMemory}
	h.changeLocked(0) // nobody else has it yet
	return h
}

// begin makes room for bytes that are about to be allocated, in the heap or outside. The
// caller calls end when they are.
func (h *heapRoom) begin(bytes int64) (end func()) {
	if h == nil || bytes < largeBytes {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending += bytes
	h.makeLocked()
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pending -= bytes
	}
}

// take counts bytes that were allocated outside of the heap, and give counts them when
// they are free again.
func (h *heapRoom) take(bytes int64) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changeLocked(bytes)
	if bytes >= largeBytes {
		h.makeLocked()
	}
}

func (h *heapRoom) give(bytes int64) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changeLocked(-bytes)
}

// changeLocked changes the bytes outside of the heap, and its limit with them.
func (h *heapRoom) changeLocked(bytes int64) {
	h.outside += bytes
	h.limit(h.total - h.outside - h.slack)
}

// behindInterval is how long an answer of behind holds.
const behindInterval = time.Millisecond

// behind tells whether the heap is above its limit by half of its slack: the collector
// does not keep up, and what would become garbage soon should wait.
func (h *heapRoom) behind() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.checked) > behindInterval {
		h.isSo = h.held()+h.outside > h.total-h.slack/2
		h.checked = time.Now()
	}
	return h.isSo
}

// makeLocked collects the garbage if there is too little room for what is pending.
func (h *heapRoom) makeLocked() {
	if h.held()+h.outside+h.pending > h.total {
		h.collect()
	}
}
