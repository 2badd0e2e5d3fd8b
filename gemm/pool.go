package gemm

import (
	"sync"
	"sync/atomic"
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
// calling goroutine, which is how one batch a core is run.
type Pool struct {
	width int
	jobs  chan *job
	wg    sync.WaitGroup

	mu   sync.Mutex
	free []*job

	scratch scratchPanels
}

// job is one call of Run. It is reused, so that a steady state allocates
// nothing: refs counts the goroutines that may still look at it, which can be
// later than the end of Run because an offer in the channel outlives the work
// if nobody was free to take it.
type job struct {
	work  Work
	parts int64
	next  atomic.Int64 // next part to hand out
	done  atomic.Int64 // parts performed
	slots atomic.Int64 // slots given out
	refs  atomic.Int64
	ended chan struct{} // capacity 1; signalled by whoever performs the last part

	mul mul // storage for Matrix.Mul's work
}

// NewPool returns a pool that performs work on the given number of goroutines,
// the caller of Run included: it starts workers-1 of them, which run until
// Close. Fewer than one worker counts as one.
func NewPool(workers int) *Pool {
	p := &Pool{width: max(workers, 1)}
	// An offer stays in the channel until a goroutine is free. Room for several
	// offers a worker keeps callers that share the pool from losing help.
	p.jobs = make(chan *job, 8*p.width)
	// As many jobs can be in the channel, in the workers' hands and in those of
	// as many callers; more callers make more.
	for range cap(p.jobs) + 2*p.width {
		p.free = append(p.free, newJob())
	}
	for range p.width - 1 {
		p.wg.Go(func() {
			for j := range p.jobs {
				j.run()
				p.release(j)
			}
		})
	}
	return p
}

// Close ends the pool's goroutines and waits for them. Run must not be called
// after or during Close. Closing a nil pool does nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	close(p.jobs)
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
// Run at once; they share the workers.
func (p *Pool) Run(parts int, w Work) {
	if p == nil || p.width == 1 || parts <= 1 {
		for i := range parts {
			w.Do(i, 0)
		}
		return
	}
	j := p.take()
	j.work = w
	p.share(j, parts)
}

// share performs j's work together with the workers and gives j back.
func (p *Pool) share(j *job, parts int) {
	j.parts = int64(parts)
	j.next.Store(0)
	j.done.Store(0)
	j.slots.Store(0)
	helpers := min(p.width, parts) - 1
	j.refs.Store(int64(helpers) + 1)
offers:
	for i := range helpers {
		select {
		case p.jobs <- j:
		default: // everybody is busy for long: do it here
			j.refs.Add(int64(i - helpers))
			break offers
		}
	}
	j.run()
	<-j.ended
	p.release(j)
}

// run performs parts until none is left to begin.
func (j *job) run() {
	i := j.next.Add(1) - 1
	if i >= j.parts {
		return
	}
	slot := int(j.slots.Add(1) - 1)
	for ; i < j.parts; i = j.next.Add(1) - 1 {
		j.work.Do(int(i), slot)
		if j.done.Add(1) == j.parts {
			j.ended <- struct{}{}
		}
	}
}

func newJob() *job { return &job{ended: make(chan struct{}, 1)} }

func (p *Pool) take() *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		j := p.free[n-1]
		p.free = p.free[:n-1]
		return j
	}
	return newJob()
}

func (p *Pool) release(j *job) {
	if j.refs.Add(-1) > 0 {
		return
	}
	j.work = nil
	j.mul = mul{}
	p.mu.Lock()
	p.free = append(p.free, j)
	p.mu.Unlock()
}
