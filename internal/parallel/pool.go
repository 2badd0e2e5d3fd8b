// Package parallel shares independent parts of work among a fixed set of
// goroutines.
package parallel

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Work is something that splits into independent parts.
type Work interface {
	// Do performs one part. The slot tells the goroutines that share this work
	// apart: it is below the pool's Width, and no two parts run with the same
	// slot at the same time, so it may index scratch memory.
	Do(part, slot int)
}

// Pool is a fixed set of goroutines that share the parts of a Work. Its owner
// ends them with Close. A nil *Pool is valid and runs everything on the
// calling goroutine.
//
// A goroutine that runs a work opens it to the pool and begins; whoever is idle
// joins in, part by part. A work that nobody joins costs a few atomic operations
// more than a loop, so the same code serves one batch a core and one batch over
// all cores: which it is depends on who is idle.
//
// Each of those who share a work has a run of its parts to begin with, and takes
// of the others' only when that is done. So what it reads next is known, and can
// be fetched ahead, and what it writes lies together.
type Pool struct {
	width int
	jobs  []Job // those that others can join

	sleepers atomic.Int64
	wake     chan struct{} // one token wakes one sleeper; there is room for width

	closed atomic.Bool
	wg     sync.WaitGroup
}

// Job is one call of Run, and is reused. Helpers come and go: one counts itself
// in helpers before it looks whether the job is open, and the caller closes the
// job before it looks whether anybody is left, so that neither misses the other.
type Job struct {
	taken   atomic.Bool // by a caller
	open    atomic.Bool // there may be parts to begin
	helpers atomic.Int64
	free    atomic.Uint64 // slots that a helper may take, by bit; the caller has slot 0
	fault   atomic.Pointer[any]

	pool *Pool
	runs []run // of the slots
	work Work
	_    [cacheLine]byte // helpers look at open while other jobs change
}

// run holds the parts from its lower to its upper half that nobody has begun.
type run struct {
	atomic.Uint64
	_ [cacheLine - 8]byte // each on its own cache line
}

// cacheLine is the size of a line of the processor's caches in bytes.
const cacheLine = 64

// maxWidth is the most goroutines that share a work: the bits of Job.free.
const maxWidth = 64

// NewPool returns a pool that performs work on the given number of goroutines,
// the caller of Run included: it starts workers-1 of them, which run until
// Close. Fewer than one worker counts as one.
func NewPool(workers int) *Pool {
	p := NewOpenPool(workers)
	for range p.width - 1 {
		p.wg.Go(func() { p.Help(p.closed.Load) })
	}
	return p
}

// NewOpenPool returns a pool without goroutines of its own. Its helpers are
// those that call Help while they have nothing better to do; at most width
// goroutines share a work, the caller of Run included.
func NewOpenPool(width int) *Pool {
	p := &Pool{width: min(max(width, 1), maxWidth)}
	p.jobs = make([]Job, p.width)
	for i := range p.jobs {
		p.jobs[i].pool = p
	}
	p.wake = make(chan struct{}, p.width)
	return p
}

// Close ends the pool's goroutines and waits for them. Run must not be called
// after or during Close. Closing a nil pool does nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.closed.Store(true)
	p.Wake(p.width)
	p.wg.Wait()
}

// Width returns the number of goroutines that may share a work, 1 for a nil
// pool.
func (p *Pool) Width() int {
	if p == nil {
		return 1
	}
	return p.width
}

// Run performs parts 0 to parts-1 of w, each exactly once, and returns when
// all are done. The calling goroutine takes part. Several goroutines may call
// Run at once; they share the helpers. A panic in a part, wherever it ran, is
// one of Run; parts not begun by then may be left out.
func (p *Pool) Run(parts int, w Work) {
	if p == nil || p.width == 1 || parts <= 1 {
		for i := range parts {
			w.Do(i, 0)
		}
		return
	}
	p.Job().Run(parts, w)
}

// Job returns a job for one call of its Run, which has to follow: until then
// nobody else can have the job. It is for works that ask it what comes next;
// p must not be nil.
//
// When more goroutines run works than the pool is wide, the job is one that
// nobody joins.
func (p *Pool) Job() *Job {
	for i := range p.jobs {
		if j := &p.jobs[i]; !j.taken.Load() && j.taken.CompareAndSwap(false, true) {
			return j
		}
	}
	return &Job{pool: p}
}

// Run performs the parts of w, at least one, together with the helpers, as
// Pool.Run does, and gives the job back.
func (j *Job) Run(parts int, w Work) {
	p := j.pool
	j.work = w
	helpers := min(p.width, parts) - 1
	j.divide(parts, helpers+1)
	j.free.Store(1<<(helpers+1) - 2)
	j.open.Store(true)
	p.Wake(helpers)
	defer j.release()
	j.run(0, nil)
}

// release waits for the helpers, passes a panic on, and makes j free.
func (j *Job) release() {
	j.open.Store(false)
	for spins := 1; j.helpers.Load() > 0; spins++ {
		if spins%spinsPerYield == 0 {
			runtime.Gosched() // a helper may be waiting for this very core
		}
	}
	fault := j.fault.Swap(nil)
	j.work = nil
	j.taken.Store(false)
	if fault != nil {
		panic(*fault)
	}
}

// divide gives each slot its run of the parts.
func (j *Job) divide(parts, slots int) {
	if cap(j.runs) < slots {
		j.runs = make([]run, slots)
	}
	j.runs = j.runs[:slots]
	for s := range j.runs {
		j.runs[s].Store(packRun(parts*s/slots, parts*(s+1)/slots))
	}
}

func packRun(first, end int) uint64 { return uint64(end)<<32 | uint64(first) }

// left returns what is left of a slot's run, and the part that another slot
// takes next of it: the last, or, if nobody has the run, the first.
func (j *Job) left(slot, taker int) (v uint64, first, end, part int) {
	v = j.runs[slot].Load()
	first, end = int(uint32(v)), int(v>>32)
	if slot == taker || j.free.Load()>>slot&1 != 0 {
		return v, first, end, first
	}
	return v, first, end, end - 1
}

// claim takes a part for a slot: of its own run, then of others'.
func (j *Job) claim(slot int) (part int, ok bool) {
	for s := slot; s < slot+len(j.runs); {
		of := s % len(j.runs)
		v, first, end, part := j.left(of, slot)
		if first >= end {
			s++
			continue
		}
		if part == first {
			first++
		} else {
			end--
		}
		if j.runs[of].CompareAndSwap(v, packRun(first, end)) {
			return part, true
		}
	}
	return 0, false
}

// Slots returns how many goroutines may share the job's parts.
func (j *Job) Slots() int { return len(j.runs) }

// Next returns the part that a goroutine of the given slot will take next, as
// far as can be known. A work may ask while it performs a part.
func (j *Job) Next(slot int) (part int, ok bool) {
	for s := slot; s < slot+len(j.runs); s++ {
		if _, first, end, part := j.left(s%len(j.runs), slot); first < end {
			return part, true
		}
	}
	return 0, false
}

// run performs parts until none is left to begin, or the helper is wanted
// elsewhere.
func (j *Job) run(slot int, until func() bool) {
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

const (
	// spinsPerYield is how often a goroutine looks for something to do before
	// it lets others have the core, a few microseconds.
	spinsPerYield = 256
	// spinTime is how long a helper looks for work before it sleeps. Between
	// the steps of a forward pass there are tens of microseconds, and waking a
	// sleeper takes as long: without spinning, short texts gain nothing from a
	// second core.
	spinTime = 100 * time.Microsecond
)

// Help performs parts of what others Run, on the calling goroutine, until the
// function says so. It is asked between parts and whenever there is nothing to
// do, and must be quick; when it becomes true for a goroutine that may be
// asleep, somebody has to call Wake. Help spins for a moment before it sleeps.
func (p *Pool) Help(until func() bool) {
	var since time.Time // when the helper found nothing to do; zero: not yet
	for spins := 1; !until(); spins++ {
		if p.help(until) {
			since = time.Time{}
			continue
		}
		if spins%spinsPerYield != 0 {
			continue
		}
		runtime.Gosched()
		switch now := time.Now(); {
		case since.IsZero():
			since = now
		case now.Sub(since) > spinTime:
			p.sleep(until)
			since = time.Time{}
		}
	}
}

// sleep waits for Wake, unless there is something to do already.
func (p *Pool) sleep(until func() bool) {
	p.sleepers.Add(1)
	defer p.sleepers.Add(-1)
	if until() {
		return
	}
	for i := range p.jobs {
		if p.jobs[i].open.Load() {
			return
		}
	}
	<-p.wake
}

// Wake makes up to n goroutines that sleep in Help look around again.
func (p *Pool) Wake(n int) {
	for range min(int64(n), p.sleepers.Load()) {
		select {
		case p.wake <- struct{}{}:
		default: // as many are being woken as can sleep
			return
		}
	}
}

// help performs parts of one open job, and tells whether there was any.
func (p *Pool) help(until func() bool) bool {
	for i := range p.jobs {
		if j := &p.jobs[i]; j.open.Load() && j.join(until) {
			return true
		}
	}
	return false
}

// join helps with j if it is still open and has a slot free.
func (j *Job) join(until func() bool) bool {
	j.helpers.Add(1)
	defer j.helpers.Add(-1)
	if !j.open.Load() {
		return false
	}
	free := j.free.Load()
	for ; free != 0; free = j.free.Load() {
		if j.free.CompareAndSwap(free, free&(free-1)) {
			break
		}
	}
	if free == 0 {
		return false
	}
	slot := bits.TrailingZeros64(free)
	defer j.free.Or(1 << slot)
	defer func() {
		if fault := recover(); fault != nil {
			j.open.Store(false)
			for s := range j.runs {
				j.runs[s].Store(0)
			}
			first := fault // apart, so that only a panic allocates
			j.fault.CompareAndSwap(nil, &first)
		}
	}()
	j.run(slot, until)
	return true
}
