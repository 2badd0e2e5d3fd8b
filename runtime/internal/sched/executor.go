package sched

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/runtime/internal/failure"
)

// Executor computes what the schedule says, on as many goroutines as there are
// cores to use.
//
// Such a lane takes a batch if there is one, and otherwise helps the others with
// theirs until there is. So there is one batch a core when there is work for
// all, one batch over all cores when there is not, and the change from one to
// the other takes no longer than a part of a product.
//
// Between the steps of a large batch a lane computes small ones that should not
// wait for its end; see schedule.interrupt.
type Executor struct {
	pool    *parallel.Pool
	workers sync.WaitGroup
	now     func() time.Time

	maxWaitingRequests int
	maxWaitingTokens   int

	// changes counts what may give a lane something to do.
	changeCount atomic.Uint64

	mu           sync.Mutex
	schedule     schedule
	freeWorkers  int         // lanes without a batch
	fillTimer    *time.Timer // for batches that wait to be filled; nil: none was set yet
	closed       bool
	batches      uint64
	tokens       uint64  // tokens
	scratchBytes []int64 // bytes of workspaces, by lane
}

// Limits are an executor's bounds.
type Config struct {
	BatchTokens        int           // tokens of a batch
	MaxWaitingRequests int           // that wait
	MaxWaitingTokens   int           // that wait when another request is admitted
	BatchWait          time.Duration // for a batch that is not full
}

func New(cores int, c Config, now func() time.Time) *Executor {
	x := &Executor{
		pool: parallel.NewOpenPool(cores), now: now, maxWaitingRequests: c.MaxWaitingRequests, maxWaitingTokens: c.MaxWaitingTokens,
		schedule: newSchedule(c.BatchTokens, cores, c.BatchWait), freeWorkers: cores, scratchBytes: make([]int64, cores),
	}
	for i := range cores {
		c := &worker{x: x, index: i}
		c.scratch.betweenSteps = c.interruptOrYield
		x.workers.Go(c.run)
	}
	return x
}

// Submit queues a request, or says why not.
func (x *Executor) Submit(r *Request) error {
	if err := r.Context.Err(); err != nil {
		return err
	}
	x.mu.Lock()
	if err := x.admissionErrorLocked(); err == failure.ErrClosed || err != nil && !r.Continued {
		x.mu.Unlock()
		return err
	}
	r.done = make(chan struct{})
	x.schedule.add(r, x.now())
	x.mu.Unlock()
	x.notify(1)
	return nil
}

// Admit returns why a request that is submitted now would be refused.
func (x *Executor) CheckAdmission() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.admissionErrorLocked()
}

func (x *Executor) admissionErrorLocked() error {
	switch s := &x.schedule; {
	case x.closed:
		return failure.ErrClosed
	case x.freeWorkers == 0 && (s.waitingRequests >= x.maxWaitingRequests || s.waitingTokens >= x.maxWaitingTokens):
		return failure.ErrBusy
	}
	return nil
}

// Wait returns when nothing of a request is waiting or computing any more. If
// its context ends, what was not begun is not computed.
func (x *Executor) Wait(r *Request) error {
	select {
	case <-r.done:
	case <-r.Context.Done():
		x.Abandon(r, r.Context.Err())
	}
	return r.err
}

// Abandon takes a request out of the queue and waits for what is under way.
func (x *Executor) Abandon(r *Request, reason error) {
	x.mu.Lock()
	x.schedule.drop(r, reason)
	x.mu.Unlock()
	<-r.done
}

// changed makes up to n lanes look for something to do.
func (x *Executor) notify(n int) {
	x.changeCount.Add(1)
	x.pool.Wake(n)
}

// begin takes a batch for a lane that is free. It returns nil if there is none
// now, and false if there will be none.
func (x *Executor) beginBatch() (*batch, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	b, next := x.schedule.nextBatch(now, x.freeWorkers)
	switch {
	case b != nil:
		x.freeWorkers--
	case x.closed:
		return nil, false
	case !next.IsZero():
		if x.fillTimer == nil {
			x.fillTimer = time.AfterFunc(next.Sub(now), func() { x.notify(1) })
		} else {
			x.fillTimer.Reset(next.Sub(now))
		}
	}
	return b, true
}

// interrupt takes a batch that may be computed in the middle of another, unless
// there is a lane that is free for it.
func (x *Executor) interrupt(running *batch) *batch {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.freeWorkers > 0 {
		return nil
	}
	return x.schedule.interruptingBatch(x.now(), running)
}

// end records a batch that took a core's time. The lane holds bytes by now.
func (x *Executor) endBatch(w *worker, b *batch, took time.Duration, err error, interrupting bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.schedule.finish(b, x.now(), took, err)
	if !interrupting {
		x.freeWorkers++
	}
	x.batches++
	x.tokens += uint64(b.tokens)
	x.scratchBytes[w.index] = w.scratch.bytes() + w.interruptScratch.bytes()
}

// Idle tells whether no text is computed or waits.
func (x *Executor) Idle() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.freeWorkers == len(x.scratchBytes) && x.schedule.waitingRequests == 0
}

// Stats is a snapshot of what an executor did and holds.
type Stats struct {
	Batches        uint64 // forward passes
	Tokens         uint64 // tokens computed
	Waiting        int    // requests waiting now
	WaitingTokens  int    // of their texts
	WorkspaceBytes int64  // for activations
}

// Stats returns a snapshot.
func (x *Executor) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Stats{
		Batches: x.batches, Tokens: x.tokens,
		Waiting: x.schedule.waitingRequests, WaitingTokens: x.schedule.waitingTokens,
		WorkspaceBytes: x.scratchBytesLocked(),
	}
}

// WorkspaceBytes returns what forward passes hold between them.
func (x *Executor) WorkspaceBytes() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.scratchBytesLocked()
}

func (x *Executor) scratchBytesLocked() (sum int64) {
	for _, bytes := range x.scratchBytes {
		sum += bytes
	}
	return sum
}

// Close computes what waits, and ends. Requests that come later get failure.ErrClosed.
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

// lane is one core's goroutine.
type worker struct {
	x           *Executor
	index       int
	seenChanges uint64 // changes when it last found nothing to do

	scratch          scratch
	interruptScratch scratch

	batch          *batch        // being computed
	checkedChanges uint64        // changes when it last looked for an interruption
	interruptTime  time.Duration // what those of the batch took
	lastYield      time.Time
}

// space is the memory for computing a batch.
type scratch struct {
	workspace    *models.Workspace
	betweenSteps func()
	gathered     models.Batch // storage for a batch of several requests
	logits       []float32
}

func (w *worker) run() {
	x := w.x
	for {
		w.seenChanges = x.changeCount.Load()
		b, ok := x.beginBatch()
		switch {
		case !ok:
			return
		case b == nil:
			x.pool.Help(w.mayHaveBatch)
			continue
		}
		w.batch, w.checkedChanges, w.interruptTime, w.lastYield = b, w.seenChanges, 0, time.Now()
		start := x.now()
		err := w.scratch.forward(x.pool, b, start)
		x.endBatch(w, b, x.now().Sub(start)-w.interruptTime, err, false)
		// Those who wait for the results need a core, too.
		goruntime.Gosched()
	}
}

// called tells whether there may be a batch for a lane that has none.
func (w *worker) mayHaveBatch() bool { return w.x.changeCount.Load() != w.seenChanges }

// yieldTime is how long a forward pass goes on before other goroutines, those
// that read and write requests, get a core that they wait for.
const yieldTime = time.Millisecond

// between is called between the steps of a forward pass.
func (w *worker) interruptOrYield() {
	x := w.x
	if changes := x.changeCount.Load(); changes != w.checkedChanges {
		w.checkedChanges = changes
		for b := x.interrupt(w.batch); b != nil; b = x.interrupt(w.batch) {
			start := x.now()
			err := w.interruptScratch.forward(x.pool, b, start)
			took := x.now().Sub(start)
			w.interruptTime += took
			x.endBatch(w, b, took, err, true)
		}
	}
	if now := time.Now(); now.Sub(w.lastYield) > yieldTime {
		goruntime.Gosched()
		w.lastYield = time.Now()
	}
}

// forward computes a batch. A panic, a fault of this program, fails the batch
// and nothing else.
func (s *scratch) forward(pool *parallel.Pool, b *batch, now time.Time) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("runtime: task %s: panic in a forward pass: %v\n%s", b.name, reason, debug.Stack())
			s.workspace = nil // it may be in any state
		}
	}()
	if s.workspace == nil {
		s.workspace = models.NewWorkspace(pool)
		s.workspace.Between = s.betweenSteps
	}
	network, done := b.task.Use()
	defer done()
	for _, p := range b.parts {
		if p.first == 0 {
			p.request.Began = now
		}
	}
	labels := network.Labels()
	texts, logits := s.gather(b, labels)
	if err := network.Forward(s.workspace, texts, logits); err != nil {
		return err
	}
	if len(b.parts) > 1 {
		for _, p := range b.parts {
			n := copy(p.request.Logits[p.first*labels:p.end*labels], logits)
			logits = logits[n:]
		}
	}
	return nil
}

// gather returns a batch's texts end to end and where its logits go: the
// request's own memory, if it is one.
func (s *scratch) gather(b *batch, labels int) (*models.Batch, []float32) {
	texts := &s.gathered
	texts.IDs, texts.TypeIDs, texts.Ends = texts.IDs[:0], texts.TypeIDs[:0], texts.Ends[:0]
	for _, p := range b.parts {
		r := p.request
		if len(b.parts) == 1 && p.first == 0 && p.end == len(r.Texts.Ends) {
			return &r.Texts, r.Logits
		}
		start, end := r.textStart(p.first), r.textStart(p.end)
		shift := len(texts.IDs) - start
		texts.IDs = append(texts.IDs, r.Texts.IDs[start:end]...)
		texts.TypeIDs = append(texts.TypeIDs, r.Texts.TypeIDs[start:end]...)
		for _, e := range r.Texts.Ends[p.first:p.end] {
			texts.Ends = append(texts.Ends, e+shift)
		}
	}
	if len(b.parts) == 1 {
		p := b.parts[0]
		return texts, p.request.Logits[p.first*labels : p.end*labels]
	}
	if n := b.texts * labels; cap(s.logits) < n {
		s.logits = make([]float32, n)
	} else {
		s.logits = s.logits[:n]
	}
	return texts, s.logits
}

// bytes returns what the space holds.
func (s *scratch) bytes() int64 {
	n := 4 * int64(cap(s.gathered.IDs)+cap(s.gathered.TypeIDs)+2*cap(s.gathered.Ends)+cap(s.logits))
	if s.workspace != nil {
		n += s.workspace.Bytes()
	}
	return n
}
