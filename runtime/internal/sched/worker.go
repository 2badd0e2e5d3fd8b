package sched

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"time"

	"kenserve/internal/parallel"
	"kenserve/models"
)

// worker is the goroutine of one core.
type worker struct {
	executor    *Executor
	index       int
	seenChanges uint64 // changeCount when it last looked for a batch

	scratch          scratch
	interruptScratch scratch // for batches that interrupt the running one

	running        *batch
	checkedChanges uint64        // changeCount when it last looked for an interrupting batch
	interruptTime  time.Duration // taken by batches that interrupted the running one
	lastYield      time.Time
}

func (w *worker) run() {
	x := w.executor
	for {
		w.seenChanges = x.changeCount.Load()
		b, more := x.beginBatch()
		switch {
		case !more:
			return
		case b == nil:
			x.pool.Help(w.mayHaveBatch)
			continue
		}
		w.running, w.checkedChanges, w.interruptTime, w.lastYield = b, w.seenChanges, 0, time.Now()
		start := time.Now()
		err := w.scratch.forward(x.pool, b, start)
		w.running = nil // it refers to the task, which may be evicted
		x.endBatch(w, b, time.Since(start)-w.interruptTime, err, false)
		goruntime.Gosched() // the goroutines that wait for the results need a core, too
	}
}

// mayHaveBatch tells whether to look for a batch again.
func (w *worker) mayHaveBatch() bool { return w.executor.changeCount.Load() != w.seenChanges }

// yieldTime is how long a forward pass runs before goroutines that read and
// write requests get its core, if they wait for one.
const yieldTime = time.Millisecond

// interruptOrYield is called between the steps of a forward pass.
func (w *worker) interruptOrYield() {
	x := w.executor
	if changes := x.changeCount.Load(); changes != w.checkedChanges {
		w.checkedChanges = changes
		for b := x.interrupt(w.running); b != nil; b = x.interrupt(w.running) {
			start := time.Now()
			err := w.interruptScratch.forward(x.pool, b, start)
			took := time.Since(start)
			w.interruptTime += took
			x.endBatch(w, b, took, err, true)
		}
	}
	if now := time.Now(); now.Sub(w.lastYield) > yieldTime {
		goruntime.Gosched()
		w.lastYield = time.Now()
	}
}

// scratch is the memory for a forward pass, reused from batch to batch.
type scratch struct {
	workspace    *models.Workspace
	betweenSteps func()
	gathered     models.Batch // texts of several requests, end to end
	logits       []float32    // [texts, labels], row-major
}

// forward computes a batch. A panic is a fault of this program; it fails the
// batch and not the process.
//
// A network that refuses a batch of several requests with models.ErrBatch gets
// them one by one, so that only a request at fault fails. Requests are checked
// before they are queued, so this does not happen unless that check has a gap.
func (s *scratch) forward(pool *parallel.Pool, b *batch, now time.Time) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("runtime: task %s: panic in a forward pass: %v\n%s", b.name, reason, debug.Stack())
			s.workspace = nil // its state is unknown
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
	err = network.Forward(s.workspace, texts, logits)
	if errors.Is(err, models.ErrBatch) && len(b.parts) > 1 {
		for i := range b.parts {
			alone := batch{parts: b.parts[i : i+1]}
			texts, logits := s.gather(&alone, labels)
			b.parts[i].err = network.Forward(s.workspace, texts, logits)
		}
		return nil
	}
	if err != nil {
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

// gather returns the texts of a batch end to end, and where their logits go:
// into the request's own memory if the batch has only one request.
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

// bytes returns the memory that the scratch holds.
func (s *scratch) bytes() int64 {
	n := 4 * int64(cap(s.gathered.IDs)+cap(s.gathered.TypeIDs)+2*cap(s.gathered.Ends)+cap(s.logits))
	if s.workspace != nil {
		n += s.workspace.Bytes()
	}
	return n
}
