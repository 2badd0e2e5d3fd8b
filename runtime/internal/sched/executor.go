package sched

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/gemm"
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
	pool  *gemm.Pool
	lanes sync.WaitGroup
	now   func() time.Time

	maxRequests int
	maxTokens   int

	// changes counts what may give a lane something to do.
	changes atomic.Uint64

	mu       sync.Mutex
	schedule schedule
	free     int         // lanes without a batch
	alarm    *time.Timer // for batches that wait to be filled; nil: none was set yet
	closed   bool
	batches  uint64
	computed uint64  // tokens
	held     []int64 // bytes of workspaces, by lane
}

// Limits are an executor's bounds.
type Limits struct {
	BatchTokens int           // tokens of a batch
	MaxRequests int           // that wait
	MaxTokens   int           // that wait when another request is admitted
	BatchWait   time.Duration // for a batch that is not full
}

func New(cores int, l Limits, now func() time.Time) *Executor {
	x := &Executor{
		pool: gemm.NewOpenPool(cores), now: now, maxRequests: l.MaxRequests, maxTokens: l.MaxTokens,
		schedule: newSchedule(l.BatchTokens, cores, l.BatchWait), free: cores, held: make([]int64, cores),
	}
	for i := range cores {
		l := &lane{x: x, index: i}
		l.running.between = l.between
		x.lanes.Go(l.run)
	}
	return x
}

// Submit queues a request, or says why not.
func (x *Executor) Submit(r *Request) error {
	if err := r.Context.Err(); err != nil {
		return err
	}
	x.mu.Lock()
	if err := x.full(); err == failure.ErrClosed || err != nil && !r.Continued {
		x.mu.Unlock()
		return err
	}
	r.done = make(chan struct{})
	x.schedule.add(r, x.now())
	x.mu.Unlock()
	x.changed(1)
	return nil
}

// Admit returns why a request that is submitted now would be refused.
func (x *Executor) Admit() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.full()
}

func (x *Executor) full() error {
	switch s := &x.schedule; {
	case x.closed:
		return failure.ErrClosed
	case x.free == 0 && (s.requests >= x.maxRequests || s.tokens >= x.maxTokens):
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
func (x *Executor) changed(n int) {
	x.changes.Add(1)
	x.pool.Wake(n)
}

// begin takes a batch for a lane that is free. It returns nil if there is none
// now, and false if there will be none.
func (x *Executor) begin() (*work, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	w, at := x.schedule.next(now, x.free)
	switch {
	case w != nil:
		x.free--
	case x.closed:
		return nil, false
	case !at.IsZero():
		if x.alarm == nil {
			x.alarm = time.AfterFunc(at.Sub(now), func() { x.changed(1) })
		} else {
			x.alarm.Reset(at.Sub(now))
		}
	}
	return w, true
}

// interrupt takes a batch that may be computed in the middle of another, unless
// there is a lane that is free for it.
func (x *Executor) interrupt(running *work) *work {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.free > 0 {
		return nil
	}
	return x.schedule.interrupt(x.now(), running)
}

// end records a batch that took a core's time. The lane holds bytes by now.
func (x *Executor) end(l *lane, w *work, took time.Duration, err error, interrupting bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.schedule.finish(w, x.now(), took, err)
	if !interrupting {
		x.free++
	}
	x.batches++
	x.computed += uint64(w.tokens)
	x.held[l.index] = l.running.bytes() + l.interrupting.bytes()
}

// Idle tells whether no text is computed or waits.
func (x *Executor) Idle() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.free == len(x.held) && x.schedule.requests == 0
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
		Batches: x.batches, Tokens: x.computed,
		Waiting: x.schedule.requests, WaitingTokens: x.schedule.tokens,
		WorkspaceBytes: x.workspaces(),
	}
}

// WorkspaceBytes returns what forward passes hold between them.
func (x *Executor) WorkspaceBytes() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.workspaces()
}

func (x *Executor) workspaces() (sum int64) {
	for _, bytes := range x.held {
		sum += bytes
	}
	return sum
}

// Close computes what waits, and ends. Requests that come later get failure.ErrClosed.
func (x *Executor) Close() {
	x.mu.Lock()
	x.closed = true
	x.schedule.wait = 0
	alarm := x.alarm
	x.mu.Unlock()
	if alarm != nil {
		alarm.Stop()
	}
	x.changed(x.pool.Width())
	x.lanes.Wait()
	x.pool.Close()
}

// lane is one core's goroutine.
type lane struct {
	x     *Executor
	index int
	seen  uint64 // changes when it last found nothing to do

	running      space
	interrupting space

	work        *work         // being computed
	checked     uint64        // changes when it last looked for an interruption
	interrupted time.Duration // what those of the batch took
	yielded     time.Time
}

// space is the memory for computing a batch.
type space struct {
	workspace *models.Workspace
	between   func()
	batch     models.Batch // storage for a batch of several requests
	logits    []float32
}

func (l *lane) run() {
	x := l.x
	for {
		l.seen = x.changes.Load()
		w, ok := x.begin()
		switch {
		case !ok:
			return
		case w == nil:
			x.pool.Help(l.called)
			continue
		}
		l.work, l.checked, l.interrupted, l.yielded = w, l.seen, 0, time.Now()
		start := x.now()
		err := l.running.forward(x.pool, w, start)
		x.end(l, w, x.now().Sub(start)-l.interrupted, err, false)
		// Those who wait for the results need a core, too.
		goruntime.Gosched()
	}
}

// called tells whether there may be a batch for a lane that has none.
func (l *lane) called() bool { return l.x.changes.Load() != l.seen }

// yieldTime is how long a forward pass goes on before other goroutines, those
// that read and write requests, get a core that they wait for.
const yieldTime = time.Millisecond

// between is called between the steps of a forward pass.
func (l *lane) between() {
	x := l.x
	if changes := x.changes.Load(); changes != l.checked {
		l.checked = changes
		for w := x.interrupt(l.work); w != nil; w = x.interrupt(l.work) {
			start := x.now()
			err := l.interrupting.forward(x.pool, w, start)
			took := x.now().Sub(start)
			l.interrupted += took
			x.end(l, w, took, err, true)
		}
	}
	if now := time.Now(); now.Sub(l.yielded) > yieldTime {
		goruntime.Gosched()
		l.yielded = time.Now()
	}
}

// forward computes a batch. A panic, a fault of this program, fails the batch
// and nothing else.
func (s *space) forward(pool *gemm.Pool, w *work, now time.Time) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("runtime: task %s: panic in a forward pass: %v\n%s", w.name, reason, debug.Stack())
			s.workspace = nil // it may be in any state
		}
	}()
	if s.workspace == nil {
		s.workspace = models.NewWorkspace(pool)
		s.workspace.Between = s.between
	}
	network, done := w.task.Use()
	defer done()
	for _, p := range w.parts {
		if p.first == 0 {
			p.request.Began = now
		}
	}
	labels := network.Labels()
	batch, logits := s.gather(w, labels)
	if err := network.Forward(s.workspace, batch, logits); err != nil {
		return err
	}
	if len(w.parts) > 1 {
		for _, p := range w.parts {
			n := copy(p.request.Logits[p.first*labels:p.end*labels], logits)
			logits = logits[n:]
		}
	}
	return nil
}

// gather returns a batch's texts end to end and where its logits go: the
// request's own memory, if it is one.
func (s *space) gather(w *work, labels int) (*models.Batch, []float32) {
	b := &s.batch
	b.IDs, b.TypeIDs, b.Ends = b.IDs[:0], b.TypeIDs[:0], b.Ends[:0]
	for _, p := range w.parts {
		r := p.request
		if len(w.parts) == 1 && p.first == 0 && p.end == len(r.Batch.Ends) {
			return &r.Batch, r.Logits
		}
		start, end := r.start(p.first), r.start(p.end)
		shift := len(b.IDs) - start
		b.IDs = append(b.IDs, r.Batch.IDs[start:end]...)
		b.TypeIDs = append(b.TypeIDs, r.Batch.TypeIDs[start:end]...)
		for _, e := range r.Batch.Ends[p.first:p.end] {
			b.Ends = append(b.Ends, e+shift)
		}
	}
	if len(w.parts) == 1 {
		p := w.parts[0]
		return b, p.request.Logits[p.first*labels : p.end*labels]
	}
	if n := w.texts * labels; cap(s.logits) < n {
		s.logits = make([]float32, n)
	} else {
		s.logits = s.logits[:n]
	}
	return b, s.logits
}

// bytes returns what the space holds.
func (s *space) bytes() int64 {
	n := 4 * int64(cap(s.batch.IDs)+cap(s.batch.TypeIDs)+2*cap(s.batch.Ends)+cap(s.logits))
	if s.workspace != nil {
		n += s.workspace.Bytes()
	}
	return n
}
