package parallel

import (
	"math/bits"
	"runtime"
	"sync/atomic"
)

// cacheLine is the size of a cache line in bytes.
const cacheLine = 64

// Job is one call of Run. A pool uses its jobs again.
//
// Helpers join and leave while the job is open. A helper first counts itself in helpers
// and then checks that the job is open; the caller first closes the job and then waits
// until there are no helpers. So neither misses the other.
type Job struct {
	taken     atomic.Bool // by a caller
	open      atomic.Bool // there may be parts that nobody has begun
	helpers   atomic.Int64
	freeSlots atomic.Uint64       // a bit for each slot that a helper may take; slot 0 is the caller's
	panicked  atomic.Pointer[any] // the value of the first panic on a helper

	pool   *Pool
	ranges []partRange // by slot
	work   Work

	_ [cacheLine]byte // helpers poll open, which must not share a cache line with the next job
}

// partRange holds the parts of a slot that nobody has begun: the first one in the lower
// 32 bits, the end in the upper 32 bits.
type partRange struct {
	atomic.Uint64
	_ [cacheLine - 8]byte // each range has a cache line of its own
}

func packRange(first, end int) uint64 { return uint64(end)<<32 | uint64(first) }

// Run performs the parts of w, at least one, as [Pool.Run] does, and frees the job.
func (j *Job) Run(parts int, w Work) {
	j.work = w
	helpers := min(j.pool.width, parts) - 1
	j.divide(parts, helpers+1)
	j.freeSlots.Store(1<<(helpers+1) - 2)
	j.open.Store(true)
	j.pool.Wake(helpers)
	defer j.finish()
	j.perform(0, nil)
}

// Slots returns the number of goroutines that may share the job.
func (j *Job) Slots() int { return len(j.ranges) }

// Next returns the part that the goroutine with the given slot will probably perform
// next, and whether there is one. A work may call it while it performs a part.
func (j *Job) Next(slot int) (part int, ok bool) {
	for s := slot; s < slot+len(j.ranges); s++ {
		if _, first, end, part := j.remaining(s%len(j.ranges), slot); first < end {
			return part, true
		}
	}
	return 0, false
}

// finish closes the job, waits for its helpers, frees it, and repeats a helper's panic.
func (j *Job) finish() {
	j.open.Store(false)
	for spins := 1; j.helpers.Load() > 0; spins++ {
		if spins%spinsPerYield == 0 {
			runtime.Gosched() // a helper may need this very core
		}
	}
	panicked := j.panicked.Swap(nil)
	j.work = nil
	j.taken.Store(false)
	if panicked != nil {
		panic(*panicked)
	}
}

// divide gives each slot its range of the parts.
func (j *Job) divide(parts, slots int) {
	if cap(j.ranges) < slots {
		j.ranges = make([]partRange, slots)
	}
	j.ranges = j.ranges[:slots]
	for s := range j.ranges {
		j.ranges[s].Store(packRange(parts*s/slots, parts*(s+1)/slots))
	}
}

// remaining returns the remaining range of a slot, packed and unpacked, and the part of
// it that the slot taker would take: the last one, to leave the owner the part that it
// expects next; or the first one if taker is the owner or the slot has no owner.
func (j *Job) remaining(slot, taker int) (packed uint64, first, end, part int) {
	packed = j.ranges[slot].Load()
	first, end = int(uint32(packed)), int(packed>>32)
	if slot == taker || j.freeSlots.Load()>>slot&1 != 0 {
		return packed, first, end, first
	}
	return packed, first, end, end - 1
}

// claim takes a part for a slot: of its own range, or else of another one.
func (j *Job) claim(slot int) (part int, ok bool) {
	for s := slot; s < slot+len(j.ranges); {
		from := s % len(j.ranges)
		packed, first, end, part := j.remaining(from, slot)
		if first >= end {
			s++
			continue
		}
		if part == first {
			first++
		} else {
			end--
		}
		if j.ranges[from].CompareAndSwap(packed, packRange(first, end)) {
			return part, true
		}
	}
	return 0, false
}

// perform performs parts until none is left to begin, or until returns true, if it is
// not nil.
func (j *Job) perform(slot int, until func() bool) {
	for {
		i, ok := j.claim(slot)
		if !ok {
			j.open.Store(false)
			return
		}
		j.work.Do(i, slot)
		if until != nil && until() {
			return
		}
	}
}

// join performs parts of the job as a helper, if the job is still open and has a free
// slot. It reports whether it did.
func (j *Job) join(until func() bool) bool {
	j.helpers.Add(1)
	defer j.helpers.Add(-1)
	if !j.open.Load() {
		return false
	}
	free := j.freeSlots.Load()
	for ; free != 0; free = j.freeSlots.Load() {
		if j.freeSlots.CompareAndSwap(free, free&(free-1)) {
			break
		}
	}
	if free == 0 {
		return false
	}
	slot := bits.TrailingZeros64(free)
	defer j.freeSlots.Or(1 << slot)
	defer func() {
		if value := recover(); value != nil {
			j.open.Store(false)
			for s := range j.ranges {
				j.ranges[s].Store(0)
			}
			first := value // a copy, so that only a panic allocates
			j.panicked.CompareAndSwap(nil, &first)
		}
	}()
	j.perform(slot, until)
	return true
}
