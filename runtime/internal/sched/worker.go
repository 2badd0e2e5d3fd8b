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
	logits       []float32    // of the gathered texts
	done         []func()     // to be called after the pass
}

// forward computes a batch.
//
// If a network refuses a batch of several requests with models.ErrBatch, or a batch of
// several tasks fails, the requests are computed one by one, so that only a request at
// fault fails. Requests are checked before they are queued, so this does not happen
// unless that check has a gap or a task is broken.
func (s *scratch) forward(pool *parallel.Pool, b *batch, now time.Time) error {
	for _, p := range b.parts {
		if p.first == 0 {
			p.request.Began = now
		}
	}
	err := s.compute(pool, b.parts)
	if err == nil || len(b.parts) == 1 || !errors.Is(err, models.ErrBatch) && b.parts[0].request.Task == b.parts[len(b.parts)-1].request.Task {
		return err
	}
	for i := range b.parts {
		b.parts[i].err = s.compute(pool, b.parts[i:i+1])
	}
	return nil
}

// compute computes parts of a batch in one forward pass. A panic is a fault of this
// program; it fails the pass and not the process.
func (s *scratch) compute(pool *parallel.Pool, parts []part) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("runtime: task %s: panic in a forward pass: %v\n%s", parts[0].request.Name, reason, debug.Stack())
			s.workspace = nil // its state is unknown
		}
	}()
	if s.workspace == nil {
		s.workspace = models.NewWorkspace(pool)
		s.workspace.Between = s.betweenSteps
	}
	defer s.release()
	network, logits := s.use(parts)
	texts, direct := s.gather(parts)
	if direct {
		p := parts[0]
		labels := network.Labels()
		return network.Forward(s.workspace, texts, p.request.Logits[p.first*labels:p.end*labels])
	}
	if cap(s.logits) < logits {
		s.logits = make([]float32, logits)
	}
	s.logits = s.logits[:logits]
	if err := network.Forward(s.workspace, texts, s.logits); err != nil {
		return err
	}
	from := s.logits
	for _, p := range parts {
		labels := len(p.request.Logits) / len(p.request.Texts.Ends)
		from = from[copy(p.request.Logits[p.first*labels:p.end*labels], from):]
	}
	return nil
}

// use takes the networks of the parts' tasks until release, and sets the segments of
// the gathered texts. It returns the network of the first part and the number of
// logits.
func (s *scratch) use(parts []part) (first models.Network, logits int) {
	segments := s.gathered.Segments[:0]
	texts := 0
	for i, p := range parts {
		if i == 0 || p.request.Task != parts[i-1].request.Task {
			network, done := p.request.Task.Use()
			s.done = append(s.done, done)
			segments = append(segments, models.Segment{Network: network})
		}
		last := &segments[len(segments)-1]
		texts += p.end - p.first
		last.End = texts
		logits += (p.end - p.first) * last.Network.Labels()
	}
	s.gathered.Segments = segments
	return segments[0].Network, logits
}

// release gives the networks of use back.
func (s *scratch) release() {
	for i, done := range s.done {
		done()
		s.done[i] = nil
	}
	s.done = s.done[:0]
	segments := s.gathered.Segments
	clear(segments[:cap(segments)]) // an idle worker must not keep networks
}

// gather returns the texts of parts end to end. If they are of one part, its logits
// can go directly into the request's own memory.
func (s *scratch) gather(parts []part) (texts *models.Batch, direct bool) {
	texts = &s.gathered
	texts.IDs, texts.TypeIDs, texts.Ends = texts.IDs[:0], texts.TypeIDs[:0], texts.Ends[:0]
	for _, p := range parts {
		r := p.request
		if len(parts) == 1 && p.first == 0 && p.end == len(r.Texts.Ends) {
			return &r.Texts, true
		}
		start, end := r.textStart(p.first), r.textStart(p.end)
		shift := len(texts.IDs) - start
		texts.IDs = append(texts.IDs, r.Texts.IDs[start:end]...)
		texts.TypeIDs = append(texts.TypeIDs, r.Texts.TypeIDs[start:end]...)
		for _, e := range r.Texts.Ends[p.first:p.end] {
			texts.Ends = append(texts.Ends, e+shift)
		}
	}
	if len(texts.Segments) == 1 {
		texts.Segments = texts.Segments[:0:cap(texts.Segments)]
	}
	return texts, len(parts) == 1
}

// bytes returns the memory that the scratch holds.
func (s *scratch) bytes() int64 {
	n := 4 * int64(cap(s.gathered.IDs)+cap(s.gathered.TypeIDs)+2*cap(s.gathered.Ends)+cap(s.logits))
	if s.workspace != nil {
		n += s.workspace.Bytes()
	}
	return n
}
