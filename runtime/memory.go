package runtime

import (
	"sync"
)

// The memory of the process, Config.Memory, is divided when the engine is opened:
//
//	fixed     the base: its panels, and its mapped files; the program
//	requests  connections, bodies, tokens, answers: see package memory
//	garbage   what the garbage collector has not freed yet
//	tasks     deltas, hot networks, and the activations of forward passes
//
// Each part but garbage has a bound that is kept before memory is allocated. Go's own
// limit keeps the garbage within its part: the collector runs before the heap exceeds
// it. Mapped files are resident too but not part of Go's heap, so the limit falls when a
// delta is mapped and rises when it is unmapped; see footprint.
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
)

// shares is how memory is divided, in bytes.
type shares struct {
	requests, tasks int64
}

// divide divides the memory that is left if the base takes so many bytes. Without
// enough memory, tasks is not positive.
func divide(memory, base int64) shares {
	left := memory - base - programBytes - heapBytes
	requests := min(max(left/requestShare, minRequestBytes), maxRequestBytes, left/4)
	// Bodies and answers become garbage as fast as they are read and written.
	garbage := min(minGarbageBytes, left/8) + requests/2
	return shares{requests: requests, tasks: left - requests - garbage}
}

// footprint keeps the limit of Go's heap in step with what is resident beside it. Its
// methods may be called from any goroutine.
type footprint struct {
	memory int64             // of the process
	fixed  int64             // resident beside the heap: the base's mapped files, the program
	limit  func(bytes int64) // tells the heap its limit; nil: nobody does

	mu     sync.Mutex
	mapped int64 // bytes of deltas that are mapped
}

// mapFile counts a delta of so many bytes, which is about to be read.
func (f *footprint) mapFile(bytes int64) { f.change(bytes) }

// unmapFile counts a delta of so many bytes that is not mapped any more.
func (f *footprint) unmapFile(bytes int64) { f.change(-bytes) }

func (f *footprint) change(bytes int64) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mapped += bytes
	if f.limit != nil {
		f.limit(f.heapLimitLocked())
	}
}

func (f *footprint) heapLimitLocked() int64 { return f.memory - f.fixed - f.mapped }
