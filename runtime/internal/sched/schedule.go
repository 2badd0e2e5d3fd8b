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
	maxBatchTokens int           // tokens of a batch, unless a single text has more
	minSplitTokens int           // tokens below which a batch is not cut for other cores
	batchWait      time.Duration // how long a batch that is not full waits for more

	queues []*queue // of the tasks with waiting requests
	byTask map[TaskHandle]*queue
	// idle has the tags, ahead of virtual time, of tasks without requests. They
	// are forgotten when time has caught up.
	idleTags    map[string]int64
	virtualTime int64

	waitingRequests int // calls that wait, in whole or in part
	waitingTokens   int // of texts that wait
	cores           int
	secondsPerToken float64 // seconds a core takes, measured; 0: not yet
	submitted       uint64  // requests so far, for the order of equal deadlines
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
	Texts     models.Batch
	Logits    []float32 // [texts, labels], written by the executor until done
	Deadline  time.Time
	Continued bool // belongs to a call that was admitted already

	Arrived time.Time
	Began   time.Time // when its first text's batch began
	Ended   time.Time
	err     error         // why not all texts were computed
	done    chan struct{} // closed when nothing of it is waiting or computing

	arrivalOrder   uint64
	heapIndex      int // in its queue's heap
	nextText       int // texts before this one are in batches
	runningBatches int // batches that hold texts of it
}

// start returns where text i's tokens begin.
func (r *Request) textStart(i int) int {
	if i == 0 {
		return 0
	}
	return r.Texts.Ends[i-1]
}

// waiting returns how many tokens are not in a batch yet.
func (r *Request) waitingTokens() int { return len(r.Texts.IDs) - r.textStart(r.nextText) }

// queue holds one task's waiting requests, the earliest deadline at the root.
type queue struct {
	task          TaskHandle
	name          string
	requests      []*Request
	waitingTokens int // that wait
	startTag      int64
	oldestArrival time.Time // arrival of what has waited longest, or earlier
}

func (q *queue) Len() int { return len(q.requests) }
func (q *queue) Less(i, j int) bool {
	a, b := q.requests[i], q.requests[j]
	if !a.Deadline.Equal(b.Deadline) {
		return a.Deadline.Before(b.Deadline)
	}
	return a.arrivalOrder < b.arrivalOrder
}
func (q *queue) Swap(i, j int) {
	q.requests[i], q.requests[j] = q.requests[j], q.requests[i]
	q.requests[i].heapIndex, q.requests[j].heapIndex = i, j
}
func (q *queue) Push(x any) {
	r := x.(*Request)
	r.heapIndex = len(q.requests)
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
type batch struct {
	task   TaskHandle
	name   string
	parts  []part
	tokens int
	texts  int
	queue  *queue // where it comes from
}

func newSchedule(maxBatchTokens, cores int, batchWait time.Duration) schedule {
	return schedule{maxBatchTokens: maxBatchTokens, minSplitTokens: min(defaultMinSplitTokens, maxBatchTokens), batchWait: batchWait, cores: cores, byTask: map[TaskHandle]*queue{}, idleTags: map[string]int64{}}
}

// leastTokens is the batch below which two cores are better used by sharing it
// than by one half each: the weights have to be read for each half.
const defaultMinSplitTokens = 256

// add queues a request that has at least one text.
func (s *schedule) add(r *Request, now time.Time) {
	r.Arrived = now
	s.submitted++
	r.arrivalOrder = s.submitted
	q := s.byTask[r.Task]
	if q == nil {
		q = &queue{task: r.Task, name: r.Name, startTag: max(s.virtualTime, s.idleTags[r.Name]), oldestArrival: now}
		delete(s.idleTags, r.Name)
		s.byTask[r.Task] = q
		s.queues = append(s.queues, q)
	}
	heap.Push(q, r)
	q.waitingTokens += len(r.Texts.IDs)
	s.waitingTokens += len(r.Texts.IDs)
	if !r.Continued {
		s.waitingRequests++
	}
}

// drop takes what waits of a request out of the queue, for the reason given.
func (s *schedule) drop(r *Request, reason error) {
	if r.nextText == len(r.Texts.Ends) {
		return // nothing waits
	}
	q := s.byTask[r.Task]
	heap.Remove(q, r.heapIndex)
	q.waitingTokens -= r.waitingTokens()
	s.waitingTokens -= r.waitingTokens()
	r.nextText = len(r.Texts.Ends)
	s.endWait(r)
	if r.err == nil {
		r.err = reason
	}
	if r.runningBatches == 0 {
		close(r.done)
	}
	s.removeIfEmpty(q)
}

// left counts a request that does not wait any more.
func (s *schedule) endWait(r *Request) {
	if !r.Continued {
		s.waitingRequests--
	}
}

// tidy forgets a queue without requests, but for a tag ahead of time.
func (s *schedule) removeIfEmpty(q *queue) {
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
	if q.startTag > s.virtualTime {
		s.idleTags[q.name] = q.startTag
	}
}

// next takes a batch out of the queues, for one of free cores. Without one it
// returns when there will be one if nothing arrives before; zero is never.
func (s *schedule) nextBatch(now time.Time, free int) (*batch, time.Time) {
	for {
		q, nextReady := s.chooseQueue(now)
		if q == nil {
			return nil, nextReady
		}
		share := (s.waitingTokens + free - 1) / max(free, 1)
		if b := s.takeBatch(q, min(max(share, s.minSplitTokens), s.maxBatchTokens)); b != nil {
			return b, time.Time{}
		}
	}
}

// interrupt takes a small batch out of the queues that may be computed in the
// middle of a large one: all that waits for a task that is behind the large
// one's, if it is little. The large batch is delayed by a fraction; the small
// one would have waited for many times what it takes.
func (s *schedule) interruptingBatch(now time.Time, running *batch) *batch {
	maxTokens := running.tokens / interruptShare
	var best *queue
	for _, q := range s.queues {
		if q.task != running.task && q.startTag < running.queue.startTag && q.waitingTokens <= maxTokens && (s.batchWait == 0 || !s.readyAt(q).After(now)) && (best == nil || q.servedBefore(best)) {
			best = q
		}
	}
	if best == nil {
		return nil
	}
	return s.takeBatch(best, maxTokens) // nothing, if its requests have gone
}

// interruptShare is how many times smaller a batch is that may interrupt
// another.
const interruptShare = 4

// ready returns when a queue's texts may be computed: at once if they fill a
// batch, else when the oldest has waited.
func (s *schedule) readyAt(q *queue) time.Time {
	if s.batchWait == 0 || q.waitingTokens >= s.maxBatchTokens {
		return time.Time{}
	}
	return q.oldestArrival.Add(s.batchWait)
}

// choose returns the queue to serve. The scan is short beside a forward pass,
// and there are no more queues than requests may wait.
func (s *schedule) chooseQueue(now time.Time) (best *queue, nextReady time.Time) {
	for _, q := range s.queues {
		if ready := s.readyAt(q); ready.After(now) {
			if nextReady.IsZero() || ready.Before(nextReady) {
				nextReady = ready
			}
			continue
		}
		if best == nil || q.servedBefore(best) {
			best = q
		}
	}
	if best == nil {
		return nil, nextReady
	}
	// What is due before all that waits could be computed cannot just wait.
	backlogEnd := now.Add(time.Duration(float64(s.waitingTokens) * s.secondsPerToken / float64(s.cores) * float64(time.Second)))
	var urgent *queue
	for _, q := range s.queues {
		if deadline := q.requests[0].Deadline; deadline.Before(backlogEnd) && q.startTag-best.startTag < int64(s.maxBatchTokens) && !s.readyAt(q).After(now) &&
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
func (q *queue) servedBefore(p *queue) bool {
	if q.startTag != p.startTag {
		return q.startTag < p.startTag
	}
	a, b := q.requests[0], p.requests[0]
	if !a.Deadline.Equal(b.Deadline) {
		return a.Deadline.Before(b.Deadline)
	}
	return a.arrivalOrder < b.arrivalOrder
}

// take makes a batch of up to most tokens, but at least one text, from a
// queue. It returns nil if the requests of the queue have all gone.
func (s *schedule) takeBatch(q *queue, maxTokens int) *batch {
	b := &batch{task: q.task, name: q.name, queue: q}
	for len(q.requests) > 0 {
		r := q.requests[0]
		if err := r.Context.Err(); err != nil {
			s.drop(r, err)
			continue
		}
		first := r.nextText
		for r.nextText < len(r.Texts.Ends) {
			tokens := r.Texts.Ends[r.nextText] - r.textStart(r.nextText)
			if b.texts > 0 && b.tokens+tokens > maxTokens {
				break
			}
			b.tokens += tokens
			b.texts++
			r.nextText++
		}
		if r.nextText > first {
			b.parts = append(b.parts, part{r, first, r.nextText})
			r.runningBatches++
		}
		if r.nextText < len(r.Texts.Ends) {
			break // the batch is full
		}
		heap.Pop(q)
		s.endWait(r)
	}
	if b.texts == 0 {
		return nil // the last drop has tidied
	}
	q.waitingTokens -= b.tokens
	s.waitingTokens -= b.tokens
	s.virtualTime = max(s.virtualTime, q.startTag)
	q.startTag += int64(b.tokens)
	if len(q.requests) > 0 && s.batchWait > 0 {
		q.oldestArrival = q.requests[0].Arrived
		for _, r := range q.requests {
			if r.Arrived.Before(q.oldestArrival) {
				q.oldestArrival = r.Arrived
			}
		}
	}
	s.removeIfEmpty(q)
	for name, tag := range s.idleTags {
		if tag <= s.virtualTime {
			delete(s.idleTags, name)
		}
	}
	return b
}

// finish records a computed batch, and what a core took for it, and closes the
// requests that were waiting for nothing else.
func (s *schedule) finish(b *batch, end time.Time, took time.Duration, err error) {
	const weight = 1.0 / 8 // of one batch in the mean
	if sample := took.Seconds() / float64(b.tokens); s.secondsPerToken == 0 {
		s.secondsPerToken = sample
	} else {
		s.secondsPerToken += weight * (sample - s.secondsPerToken)
	}
	for _, p := range b.parts {
		r := p.request
		r.Ended = end
		r.runningBatches--
		if err != nil {
			if r.err == nil {
				r.err = err
			}
			if r.nextText < len(r.Texts.Ends) {
				s.drop(r, err) // closes done if this was the last batch of it
				continue
			}
		}
		if r.runningBatches == 0 && r.nextText == len(r.Texts.Ends) {
			close(r.done)
		}
	}
}
