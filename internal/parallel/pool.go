package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Work is something that splits into independent parts.
type Work interface {
	// Do performs one part. slot distinguishes the goroutines that share the work: it
	// is below the pool's Width, and no two parts run with the same slot at the same
	// time, so it can index scratch memory.
	Do(part, slot int)
}

// Pool is a fixed number of goroutines that share parts of work. Its owner ends them with
// Close. A nil *Pool is valid: it runs everything on the calling goroutine.
type Pool struct {
	width int
	jobs  []Job // that helpers can join

	sleepers atomic.Int64
	wake     chan struct{} // one token wakes one sleeper; its capacity is width

	closed atomic.Bool
	wg     sync.WaitGroup
}

// maxWidth is the largest number of goroutines that share a job: the bits of
// Job.freeSlots.
const maxWidth = 64

// NewPool returns a pool that runs work on the given number of goroutines, including the
// caller of Run: it starts workers-1 goroutines, which run until Close. Fewer than one
// worker counts as one.
func NewPool(workers int) *Pool {
	p := NewOpenPool(workers)
	for range p.width - 1 {
		p.wg.Go(func() { p.Help(p.closed.Load) })
	}
	return p
}

// NewOpenPool returns a pool without goroutines of its own. Its helpers are goroutines
// that call Help while they have nothing else to do. At most width goroutines share a
// work, including the caller of Run.
func NewOpenPool(width int) *Pool {
	p := &Pool{width: min(max(width, 1), maxWidth)}
	p.jobs = make([]Job, p.width)
	for i := range p.jobs {
		p.jobs[i].pool = p
	}
	p.wake = make(chan struct{}, p.width)
	return p
}

// Close ends the pool's goroutines and waits for them. Run must not be called during or
// after Close. Closing a nil pool does nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.closed.Store(true)
	p.Wake(p.width)
	p.wg.Wait()
}

// Width returns the number of goroutines that may share a work, 1 for a nil pool.
func (p *Pool) Width() int {
	if p == nil {
		return 1
	}
	return p.width
}

// Run performs parts 0 to parts-1 of w, each exactly once, and returns when all are done.
// The calling goroutine takes part. Several goroutines may call Run at the same time;
// they share the helpers. If a part panics, on any goroutine, Run panics with the same
// value; then parts that had not begun may be skipped.
func (p *Pool) Run(parts int, w Work) {
	if p == nil || p.width == 1 || parts <= 1 {
		for i := range parts {
			w.Do(i, 0)
		}
		return
	}
	p.Job().Run(parts, w)
}

// Job reserves a job for a work that needs it during its parts: to ask for Next. The
// caller must call the job's Run, which frees it. p must not be nil.
//
// If more goroutines run works than the pool is wide, the job is one that no helper
// joins.
func (p *Pool) Job() *Job {
	for i := range p.jobs {
		if j := &p.jobs[i]; !j.taken.Load() && j.taken.CompareAndSwap(false, true) {
			return j
		}
	}
	return &Job{pool: p}
}

const (
	// spinsPerYield is the number of times a goroutine looks for something to do
	// before it yields its core: a few microseconds.
	spinsPerYield = 256
	// spinTime is how long a helper looks for work before it sleeps. There are tens
	// of microseconds between the steps of a forward pass, and waking a sleeper takes
	// as long: without spinning, short texts gain nothing from a second core.
	spinTime = 100 * time.Microsecond
)

// Help performs parts of other goroutines' works on the calling goroutine until the
// function until returns true. It calls until between parts and whenever there is nothing
// to do, so until must be fast. Help spins for a moment before it sleeps: to end it while
// it may sleep, make until return true and then call Wake.
func (p *Pool) Help(until func() bool) {
	var idleSince time.Time // zero: not idle, or not known yet
	for spins := 1; !until(); spins++ {
		if p.helpOnce(until) {
			idleSince = time.Time{}
			continue
		}
		if spins%spinsPerYield != 0 {
			continue
		}
		runtime.Gosched()
		switch now := time.Now(); {
		case idleSince.IsZero():
			idleSince = now
		case now.Sub(idleSince) > spinTime:
			p.sleep(until)
			idleSince = time.Time{}
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

// Wake wakes up to n goroutines that sleep in Help, so that they look for work and call
// their function until.
func (p *Pool) Wake(n int) {
	for range min(int64(n), p.sleepers.Load()) {
		select {
		case p.wake <- struct{}{}:
		default: // as many wake up already as can sleep
			return
		}
	}
}

// helpOnce performs parts of one open job, and reports whether there was one.
func (p *Pool) helpOnce(until func() bool) bool {
	for i := range p.jobs {
		if j := &p.jobs[i]; j.open.Load() && j.join(until) {
			return true
		}
	}
	return false
}
