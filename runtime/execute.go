package runtime

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"kenserve/internal/parallel"
	"kenserve/models"
)

// executor computes what the schedule says, on as many goroutines as there are
// cores to use.
//
// Such a lane takes a batch if there is one, and otherwise helps the others with
// theirs until there is. So there is one batch a core when there is work for
// all, one batch over all cores when there is not, and the change from one to
// the other takes no longer than a part of a product.
//
// Between the steps of a large batch a lane computes small ones that should not
// wait for its end; see schedule.interrupt.
type executor struct {
	pool  *parallel.Pool
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

// limits are an executor's bounds.
type limits struct {
	batch    int           // tokens of a batch
	requests int           // that wait
	tokens   int           // that wait when another request is admitted
	wait     time.Duration // for a batch that is not full
}

func newExecutor(cores int, l limits, now func() time.Time) *executor {
	x := &executor{
		pool: parallel.NewOpenPool(cores), now: now, maxRequests: l.requests, maxTokens: l.tokens,
		schedule: newSchedule(l.batch, cores, l.wait), free: cores, held: make([]int64, cores),
	}
	for i := range cores {
		l := &lane{x: x, index: i}
		l.running.between = l.between
		x.lanes.Go(l.run)
	}
	return x
}

// submit queues a request, or says why not.
func (x *executor) submit(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	x.mu.Lock()
	if err := x.full(); err == ErrClosed || err != nil && !r.more {
		x.mu.Unlock()
		return err
	}
	r.done = make(chan struct{})
	x.schedule.add(r, x.now())
	x.mu.Unlock()
	x.changed(1)
	return nil
}

// admits returns why a request that is submitted now would be refused.
func (x *executor) admits() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.full()
}

func (x *executor) full() error {
	switch s := &x.schedule; {
	case x.closed:
		return ErrClosed
	case x.free == 0 && (s.requests >= x.maxRequests || s.tokens >= x.maxTokens):
		return ErrBusy
	}
	return nil
}

// wait returns when nothing of a request is waiting or computing any more. If
// its context ends, what was not begun is not computed.
func (x *executor) wait(r *request) error {
	select {
	case <-r.done:
	case <-r.ctx.Done():
		x.abandon(r, r.ctx.Err())
	}
	return r.err
}

// abandon takes a request out of the queue and waits for what is under way.
func (x *executor) abandon(r *request, reason error) {
	x.mu.Lock()
	x.schedule.drop(r, reason)
	x.mu.Unlock()
	<-r.done
}

// changed makes up to n lanes look for something to do.
func (x *executor) changed(n int) {
	x.changes.Add(1)
	x.pool.Wake(n)
}

// begin takes a batch for a lane that is free. It returns nil if there is none
// now, and false if there will be none.
func (x *executor) begin() (*work, bool) {
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
func (x *executor) interrupt(running *work) *work {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.free > 0 {
		return nil
	}
	return x.schedule.interrupt(x.now(), running)
}

// end records a batch that took a core's time. The lane holds bytes by now.
func (x *executor) end(l *lane, w *work, took time.Duration, err error, interrupting bool) {
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

// idle tells whether no text is computed or waits.
func (x *executor) idle() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.free == len(x.held) && x.schedule.requests == 0
}

// addTo adds the executor's part to a snapshot.
func (x *executor) addTo(s *Stats) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Batches, s.Tokens = x.batches, x.computed
	s.Waiting, s.WaitingTokens = x.schedule.requests, x.schedule.tokens
	s.WorkspaceBytes = x.workspaces()
}

// bytes returns what forward passes hold between them.
func (x *executor) bytes() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.workspaces()
}

func (x *executor) workspaces() (sum int64) {
	for _, bytes := range x.held {
		sum += bytes
	}
	return sum
}

// close computes what waits, and ends. Requests that come later get ErrClosed.
func (x *executor) close() {
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
	x     *executor
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
func (s *space) forward(pool *parallel.Pool, w *work, now time.Time) (err error) {
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
	network, done := w.task.use()
	defer done()
	for _, p := range w.parts {
		if p.first == 0 {
			p.request.begun = now
		}
	}
	labels := network.Labels()
	batch, logits := s.gather(w, labels)
	if err := network.Forward(s.workspace, batch, logits); err != nil {
		return err
	}
	if len(w.parts) > 1 {
		for _, p := range w.parts {
			n := copy(p.request.logits[p.first*labels:p.end*labels], logits)
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
		if len(w.parts) == 1 && p.first == 0 && p.end == len(r.batch.Ends) {
			return &r.batch, r.logits
		}
		start, end := r.start(p.first), r.start(p.end)
		shift := len(b.IDs) - start
		b.IDs = append(b.IDs, r.batch.IDs[start:end]...)
		b.TypeIDs = append(b.TypeIDs, r.batch.TypeIDs[start:end]...)
		for _, e := range r.batch.Ends[p.first:p.end] {
			b.Ends = append(b.Ends, e+shift)
		}
	}
	if len(w.parts) == 1 {
		p := w.parts[0]
		return b, p.request.logits[p.first*labels : p.end*labels]
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
