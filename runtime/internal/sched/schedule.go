package sched

import (
	"container/heap"
	"context"
	"time"

	"kenserve/models"
)

// schedule decides which texts are computed next, and together. It has no
// goroutines, no clock and no lock: the executor brings those.
//
// # Queues and batches
//
// Every task has a queue of requests, which hold encoded texts. A batch is made
// of texts of one task, from as many requests as fit the bound in tokens, or
// from a part of one. Where several cores are free it is cut so that each gets
// its share.
//
// # Order
//
// Between tasks the order is that of start-time fair queueing (Goyal, Vin and
// Cheng, 1996). A task's tag is the service it had, in tokens; the task with the
// lowest tag is served, and its tag rises by the batch's tokens. Virtual time is
// the tag of the batch begun last, and a task that was idle starts there: it is
// owed nothing for the time in which it wanted nothing. So of two tasks with
// work neither gets ahead of the other by more than a batch, however many
// requests one of them sends, and a task that asks rarely is served next.
//
// Within a task, and between tasks with the same tag, the earliest deadline is
// first. Deadlines alone would be the wrong order between tasks: with equal
// patience they are the order of arrival, and the flood that came first would be
// computed first. But a request that its turn would come too late for, judged by
// all that waits and the measured speed, overtakes by earliest deadline, as long
// as its task is not ahead of the one that it overtakes by a batch already. A
// flood of impatient requests is thus held to its share too, and where all can
// be in time, all are.
type schedule struct {
	most  int           // tokens of a batch, unless a single text has more
	least int           // tokens below which a batch is not cut for other cores
	wait  time.Duration // how long a batch that is not full waits for more

	queues []*queue // of the tasks with waiting requests
	byTask map[TaskHandle]*queue
	// idle has the tags, ahead of virtual time, of tasks without requests. They
	// are forgotten when time has caught up.
	idle    map[string]int64
	virtual int64

	requests  int // calls that wait, in whole or in part
	tokens    int // of texts that wait
	cores     int
	perToken  float64 // seconds a core takes, measured; 0: not yet
	submitted uint64  // requests so far, for the order of equal deadlines
}

// TaskHandle is what the executor knows of a task: see Use.
type TaskHandle interface {
	Use() (models.Network, func())
}

// Request is a call's texts, or as many of them as were encoded at a time, on
// their way through the executor.
type Request struct {
	Context   context.Context // a request whose context has ended is not begun
	Task      TaskHandle
	Name      string // of the task
	Batch     models.Batch
	Logits    []float32 // [texts, labels], written by the executor until done
	Deadline  time.Time
	Continued bool // belongs to a call that was admitted already

	Arrived time.Time
	Began   time.Time // when its first text's batch began
	Ended   time.Time
	err     error         // why not all texts were computed
	done    chan struct{} // closed when nothing of it is waiting or computing

	order     uint64
	place     int // in its queue's heap
	next      int // texts before this one are in batches
	computing int // batches that hold texts of it
}

// start returns where text i's tokens begin.
func (r *Request) start(i int) int {
	if i == 0 {
		return 0
	}
	return r.Batch.Ends[i-1]
}

// waiting returns how many tokens are not in a batch yet.
func (r *Request) waiting() int { return len(r.Batch.IDs) - r.start(r.next) }

// queue holds one task's waiting requests, the earliest deadline at the root.
type queue struct {
	task     TaskHandle
	name     string
	requests []*Request
	tokens   int // that wait
	tag      int64
	oldest   time.Time // arrival of what has waited longest, or earlier
}

func (q *queue) Len() int { return len(q.requests) }
func (q *queue) Less(i, j int) bool {
	a, b := q.requests[i], q.requests[j]
	if !a.Deadline.Equal(b.Deadline) {
		return a.Deadline.Before(b.Deadline)
	}
	return a.order < b.order
}
func (q *queue) Swap(i, j int) {
	q.requests[i], q.requests[j] = q.requests[j], q.requests[i]
	q.requests[i].place, q.requests[j].place = i, j
}
func (q *queue) Push(x any) {
	r := x.(*Request)
	r.place = len(q.requests)
	q.requests = append(q.requests, r)
}
func (q *queue) Pop() any {
	last := len(q.requests) - 1
	r := q.requests[last]
	q.requests[last] = nil
	q.requests = q.requests[:last]
	return r
}

// part is a request's share of a batch: texts first to end-1.
type part struct {
	request    *Request
	first, end int
}

// work is a batch: texts of one task.
type work struct {
	task   TaskHandle
	name   string
	parts  []part
	tokens int
	texts  int
	queue  *queue // where it comes from
}

func newSchedule(most, cores int, wait time.Duration) schedule {
	return schedule{most: most, least: min(leastTokens, most), wait: wait, cores: cores, byTask: map[TaskHandle]*queue{}, idle: map[string]int64{}}
}

// leastTokens is the batch below which two cores are better used by sharing it
// than by one half each: the weights have to be read for each half.
const leastTokens = 256

// add queues a request that has at least one text.
func (s *schedule) add(r *Request, now time.Time) {
	r.Arrived = now
	s.submitted++
	r.order = s.submitted
	q := s.byTask[r.Task]
	if q == nil {
		q = &queue{task: r.Task, name: r.Name, tag: max(s.virtual, s.idle[r.Name]), oldest: now}
		delete(s.idle, r.Name)
		s.byTask[r.Task] = q
		s.queues = append(s.queues, q)
	}
	heap.Push(q, r)
	q.tokens += len(r.Batch.IDs)
	s.tokens += len(r.Batch.IDs)
	if !r.Continued {
		s.requests++
	}
}

// drop takes what waits of a request out of the queue, for the reason given.
func (s *schedule) drop(r *Request, reason error) {
	if r.next == len(r.Batch.Ends) {
		return // nothing waits
	}
	q := s.byTask[r.Task]
	heap.Remove(q, r.place)
	q.tokens -= r.waiting()
	s.tokens -= r.waiting()
	r.next = len(r.Batch.Ends)
	s.left(r)
	if r.err == nil {
		r.err = reason
	}
	if r.computing == 0 {
		close(r.done)
	}
	s.tidy(q)
}

// left counts a request that does not wait any more.
func (s *schedule) left(r *Request) {
	if !r.Continued {
		s.requests--
	}
}

// tidy forgets a queue without requests, but for a tag ahead of time.
func (s *schedule) tidy(q *queue) {
	if len(q.requests) > 0 {
		return
	}
	delete(s.byTask, q.task)
	for i := range s.queues {
		if s.queues[i] == q {
			last := len(s.queues) - 1
			s.queues[i], s.queues[last] = s.queues[last], nil
			s.queues = s.queues[:last]
			break
		}
	}
	if q.tag > s.virtual {
		s.idle[q.name] = q.tag
	}
}

// next takes a batch out of the queues, for one of free cores. Without one it
// returns when there will be one if nothing arrives before; zero is never.
func (s *schedule) next(now time.Time, free int) (*work, time.Time) {
	for {
		q, at := s.choose(now)
		if q == nil {
			return nil, at
		}
		share := (s.tokens + free - 1) / max(free, 1)
		if w := s.take(q, min(max(share, s.least), s.most)); w != nil {
			return w, time.Time{}
		}
	}
}

// interrupt takes a small batch out of the queues that may be computed in the
// middle of a large one: all that waits for a task that is behind the large
// one's, if it is little. The large batch is delayed by a fraction; the small
// one would have waited for many times what it takes.
func (s *schedule) interrupt(now time.Time, running *work) *work {
	little := running.tokens / interruptShare
	var best *queue
	for _, q := range s.queues {
		if q.task != running.task && q.tag < running.queue.tag && q.tokens <= little && (s.wait == 0 || !s.ready(q).After(now)) && (best == nil || q.before(best)) {
			best = q
		}
	}
	if best == nil {
		return nil
	}
	return s.take(best, little) // nothing, if its requests have gone
}

// interruptShare is how many times smaller a batch is that may interrupt
// another.
const interruptShare = 4

// ready returns when a queue's texts may be computed: at once if they fill a
// batch, else when the oldest has waited.
func (s *schedule) ready(q *queue) time.Time {
	if s.wait == 0 || q.tokens >= s.most {
		return time.Time{}
	}
	return q.oldest.Add(s.wait)
}

// choose returns the queue to serve. The scan is short beside a forward pass,
// and there are no more queues than requests may wait.
func (s *schedule) choose(now time.Time) (best *queue, at time.Time) {
	for _, q := range s.queues {
		if ready := s.ready(q); ready.After(now) {
			if at.IsZero() || ready.Before(at) {
				at = ready
			}
			continue
		}
		if best == nil || q.before(best) {
			best = q
		}
	}
	if best == nil {
		return nil, at
	}
	// What is due before all that waits could be computed cannot just wait.
	due := now.Add(time.Duration(float64(s.tokens) * s.perToken / float64(s.cores) * float64(time.Second)))
	var urgent *queue
	for _, q := range s.queues {
		if deadline := q.requests[0].Deadline; deadline.Before(due) && q.tag-best.tag < int64(s.most) && !s.ready(q).After(now) &&
			(urgent == nil || deadline.Before(urgent.requests[0].Deadline)) {
			urgent = q
		}
	}
	if urgent != nil {
		return urgent, time.Time{}
	}
	return best, time.Time{}
}

// before tells whether q is served before p: by tag, then by deadline.
func (q *queue) before(p *queue) bool {
	if q.tag != p.tag {
		return q.tag < p.tag
	}
	a, b := q.requests[0], p.requests[0]
	if !a.Deadline.Equal(b.Deadline) {
		return a.Deadline.Before(b.Deadline)
	}
	return a.order < b.order
}

// take makes a batch of up to most tokens, but at least one text, from a
// queue. It returns nil if the requests of the queue have all gone.
func (s *schedule) take(q *queue, most int) *work {
	w := &work{task: q.task, name: q.name, queue: q}
	for len(q.requests) > 0 {
		r := q.requests[0]
		if err := r.Context.Err(); err != nil {
			s.drop(r, err)
			continue
		}
		first := r.next
		for r.next < len(r.Batch.Ends) {
			tokens := r.Batch.Ends[r.next] - r.start(r.next)
			if w.texts > 0 && w.tokens+tokens > most {
				break
			}
			w.tokens += tokens
			w.texts++
			r.next++
		}
		if r.next > first {
			w.parts = append(w.parts, part{r, first, r.next})
			r.computing++
		}
		if r.next < len(r.Batch.Ends) {
			break // the batch is full
		}
		heap.Pop(q)
		s.left(r)
	}
	if w.texts == 0 {
		return nil // the last drop has tidied
	}
	q.tokens -= w.tokens
	s.tokens -= w.tokens
	s.virtual = max(s.virtual, q.tag)
	q.tag += int64(w.tokens)
	if len(q.requests) > 0 && s.wait > 0 {
		q.oldest = q.requests[0].Arrived
		for _, r := range q.requests {
			if r.Arrived.Before(q.oldest) {
				q.oldest = r.Arrived
			}
		}
	}
	s.tidy(q)
	for name, tag := range s.idle {
		if tag <= s.virtual {
			delete(s.idle, name)
		}
	}
	return w
}

// finish records a computed batch, and what a core took for it, and closes the
// requests that were waiting for nothing else.
func (s *schedule) finish(w *work, end time.Time, took time.Duration, err error) {
	const weight = 1.0 / 8 // of one batch in the mean
	if sample := took.Seconds() / float64(w.tokens); s.perToken == 0 {
		s.perToken = sample
	} else {
		s.perToken += weight * (sample - s.perToken)
	}
	for _, p := range w.parts {
		r := p.request
		r.Ended = end
		r.computing--
		if err != nil {
			if r.err == nil {
				r.err = err
			}
			if r.next < len(r.Batch.Ends) {
				s.drop(r, err) // closes done if this was the last batch of it
				continue
			}
		}
		if r.computing == 0 && r.next == len(r.Batch.Ends) {
			close(r.done)
		}
	}
}
