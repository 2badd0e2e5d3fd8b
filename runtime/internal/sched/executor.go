package sched

import (
	"sync"
	"sync/atomic"
	"time"

	"kenserve/internal/parallel"
	"kenserve/runtime/internal/failure"
)

// Executor computes requests on one worker, a goroutine, for each core.
//
// A worker takes a batch if there is one. Otherwise it helps other workers with
// theirs until there is. So if there are enough texts every core has a batch of
// its own, if not all cores share one batch, and it takes no longer than a part
// of a matrix product to change from one to the other.
//
// Between the steps of a large batch a worker computes small ones that should
// not wait for the end of the large one; see schedule.interruptingBatch.
type Executor struct {
	config  Config
	pool    *parallel.Pool
	workers sync.WaitGroup

	// changeCount counts the events that may give a worker something to do.
	changeCount atomic.Uint64

	mu           sync.Mutex
	schedule     schedule
	freeWorkers  int         // those without a batch
	fillTimer    *time.Timer // for batches that wait to be filled; nil: not needed yet
	closed       bool
	batches      uint64  // computed
	tokens       uint64  // computed
	scratchBytes []int64 // by worker
}

// Config sets the bounds of an executor.
type Config struct {
	Cores              int
	BatchTokens        int           // bounds a batch; a single text may have more
	BatchWait          time.Duration // how long a batch that is not full waits for more texts
	MaxWaitingRequests int           // while all workers are busy
	// MaxWaitingTokens is how many tokens may wait when another request is
	// admitted while all workers are busy.
	MaxWaitingTokens int
}

// New starts an executor. The caller closes it.
func New(c Config) *Executor {
	x := &Executor{
		config: c, pool: parallel.NewOpenPool(c.Cores),
		schedule: newSchedule(c.BatchTokens, c.Cores, c.BatchWait), freeWorkers: c.Cores, scratchBytes: make([]int64, c.Cores),
	}
	for i := range c.Cores {
		w := &worker{executor: x, index: i}
		w.scratch.betweenSteps = w.interruptOrYield
		x.workers.Go(w.run)
	}
	return x
}

// Submit queues a request. If it does so, the caller must call Wait or Abandon.
// Otherwise the error is that of the context, failure.ErrBusy, a failure.SlowError if
// the request is a further part of a call that will be too late, or failure.ErrClosed.
func (x *Executor) Submit(r *Request) error {
	if err := r.Context.Err(); err != nil {
		return err
	}
	x.mu.Lock()
	if err := x.admissionErrorLocked(); err == failure.ErrClosed || err != nil && !r.Continued {
		x.mu.Unlock()
		return err
	}
	now := time.Now()
	if r.Continued {
		if err := x.schedule.lateAgain(r.Call, now); err != nil {
			x.mu.Unlock()
			return err
		}
	}
	r.done = make(chan struct{})
	x.schedule.add(r, now)
	x.mu.Unlock()
	x.notify(1)
	return nil
}

// admissionErrorLocked returns why no new request is admitted, whatever it needs.
func (x *Executor) admissionErrorLocked() error {
	switch s := &x.schedule; {
	case x.closed:
		return failure.ErrClosed
	case x.freeWorkers == 0 && (s.waitingRequests >= x.config.MaxWaitingRequests || s.waitingTokens >= x.config.MaxWaitingTokens):
		return failure.ErrBusy
	}
	return nil
}

// Wait returns when no text of a request is waiting or being computed. It
// returns an error if some were not computed. If the context ends, the texts
// that are not in a batch are not computed.
func (x *Executor) Wait(r *Request) error {
	select {
	case <-r.done:
	case <-r.Context.Done():
		x.Abandon(r, r.Context.Err())
	}
	return r.err
}

// Abandon gives up the texts of a request that are not in a batch, and waits for
// the others.
func (x *Executor) Abandon(r *Request, reason error) {
	x.mu.Lock()
	x.schedule.drop(r, reason)
	x.mu.Unlock()
	<-r.done
}

// notify makes up to n workers look for something to do.
func (x *Executor) notify(n int) {
	x.changeCount.Add(1)
	x.pool.Wake(n)
}

// beginBatch takes a batch for a free worker. It returns nil if there is none
// now, and more = false if there will be none because the executor is closed.
func (x *Executor) beginBatch() (b *batch, more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	b, nextReady := x.schedule.nextBatch(now, x.freeWorkers)
	switch {
	case b != nil:
		x.freeWorkers--
		b.helpers = x.freeWorkers
	case x.closed:
		return nil, false
	case !nextReady.IsZero():
		if x.fillTimer == nil {
			x.fillTimer = time.AfterFunc(nextReady.Sub(now), func() { x.notify(1) })
		} else {
			x.fillTimer.Reset(nextReady.Sub(now))
		}
	}
	return b, true
}

// interrupt takes a batch that may be computed in the middle of another one,
// unless a free worker can compute it.
func (x *Executor) interrupt(running *batch) *batch {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.freeWorkers > 0 {
		return nil
	}
	return x.schedule.interruptingBatch(time.Now(), running)
}

// endBatch records a batch of worker w that took so much time of a core.
func (x *Executor) endBatch(w *worker, b *batch, took time.Duration, err error, interrupting bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.schedule.finish(b, time.Now(), took, err)
	if !interrupting {
		x.freeWorkers++
	}
	x.batches++
	x.tokens += uint64(b.tokens)
	x.scratchBytes[w.index] = w.scratch.bytes() + w.interruptScratch.bytes()
}

// Idle tells whether no text is being computed or waits.
func (x *Executor) Idle() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.freeWorkers == x.config.Cores && x.schedule.waitingRequests == 0
}

// Stats is a snapshot. Counters only grow.
type Stats struct {
	Batches        uint64 // computed
	Tokens         uint64 // computed
	Waiting        int    // requests that wait now
	WaitingTokens  int    // of texts that wait now
	WorkspaceBytes int64  // of memory for forward passes
}

// Stats returns a snapshot.
func (x *Executor) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Stats{
		Batches: x.batches, Tokens: x.tokens,
		Waiting: x.schedule.waitingRequests, WaitingTokens: x.schedule.waitingTokens,
		WorkspaceBytes: x.workspaceBytesLocked(),
	}
}

// WorkspaceBytes returns the bytes that the workers keep for forward passes.
func (x *Executor) WorkspaceBytes() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.workspaceBytesLocked()
}

func (x *Executor) workspaceBytesLocked() (sum int64) {
	for _, bytes := range x.scratchBytes {
		sum += bytes
	}
	return sum
}

// Close computes all texts that wait, and then ends the workers. Later requests
// get failure.ErrClosed.
func (x *Executor) Close() {
	x.mu.Lock()
	x.closed = true
	x.schedule.batchWait = 0
	timer := x.fillTimer
	x.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	x.notify(x.pool.Width())
	x.workers.Wait()
	x.pool.Close()
}
