package sched

import (
	"container/heap"
	"time"
)

// schedule decides which texts are computed next, and together. It has no
// goroutines, no clock and no lock: the executor has those, calls every method
// with its mutex held, and passes the time.
//
// # Queues and batches
//
// Every task with waiting requests has a queue of them. A batch holds as many
// texts as fit the bound in tokens: of one task or, if requests have Shares, of
// any number of them. If several cores are free, a batch is made smaller so that
// each of them gets a share of what waits.
//
// # Order
//
// Between tasks the order is start-time fair queueing (Goyal, Vin and Cheng,
// 1996). A task's start tag is the service that it has received, in tokens. The
// task with the lowest tag is served next, and its tag rises by the tokens that
// it gets. Tasks that share a batch are served text by text, so that all of them
// have the same tag at its end, as far as they have texts. Virtual time is the tag of the batch that began last. A task that
// was idle starts at virtual time, so idle time earns it nothing. As a result:
//
//   - If two tasks always have texts waiting, neither gets ahead of the other by
//     more than a batch, however many requests it sends.
//   - A task that sends a request now and then is served next.
//
// Within a task, and between tasks with equal tags, the earliest deadline is
// first. Deadlines alone would be unfair between tasks: if all have the same
// time limit, they are the order of arrival, and a flood of requests that came
// first would be computed first. They would be unfair within a task, too: the
// later parts of a long call would come before a short call that arrives
// meanwhile. So within a task the rank of a call comes first, which rises with
// the tokens that the call has had; see schedule.rank.
//
// There is one exception. A request is urgent if its deadline falls before the
// backlog would drain, by the measured speed. Urgent requests go first, earliest
// deadline first, as long as their task's tag is less than a batch above the
// lowest. So a flood of urgent requests is held to its share, too, and if all
// requests can be in time, all are.
type schedule struct {
	maxBatchTokens int // of a batch; a single text may have more
	minSplitTokens int // a batch of so many tokens is not split between cores
	batchWait      time.Duration
	cores          int

	queues []*queue // in no order
	order  []*queue // memory of sharingOrder
	byTask map[TaskHandle]*queue
	// idleTags has the start tags of tasks without requests, by name, if they
	// are above virtual time.
	idleTags    map[string]int64
	virtualTime int64

	waitingRequests int // without those that are Continued
	waitingTokens   int
	sharingTokens   int     // of waitingTokens: those of requests with Shares
	secondsPerToken float64 // of one core, a moving average; 0: not measured yet
	measuredTokens  int     // the weight of that average: tokens, up to averageBatches batches
	submitted       uint64  // requests so far
	served          int64   // tokens put into batches so far

	backlogs map[string]*backlog // by task; see admission.go
	admitted uint64              // calls so far
}

// defaultMinSplitTokens is the batch size up to which two cores are faster if
// they share one batch than if each computes a half: for two halves each weight
// is read twice.
const defaultMinSplitTokens = 256

// newSchedule returns an empty schedule. A batch that is not full waits for
// more texts until its oldest request has waited for batchWait.
func newSchedule(maxBatchTokens, cores int, batchWait time.Duration) schedule {
	return schedule{
		maxBatchTokens: maxBatchTokens, minSplitTokens: min(defaultMinSplitTokens, maxBatchTokens), batchWait: batchWait, cores: cores,
		byTask: map[TaskHandle]*queue{}, idleTags: map[string]int64{}, backlogs: map[string]*backlog{},
	}
}

// add queues a request.
func (s *schedule) add(r *Request, now time.Time) {
	r.Arrived = now
	s.submitted++
	r.arrivalOrder, r.rank = s.submitted, s.rank(r.Call)
	if r.Call != nil {
		r.Call.submitted += len(r.Texts.IDs)
	}
	q := s.byTask[r.Task]
	if q == nil {
		q = &queue{task: r.Task, name: r.Name, shares: r.Shares, startTag: max(s.virtualTime, s.idleTags[r.Name]), oldestArrival: now}
		delete(s.idleTags, r.Name)
		s.byTask[r.Task] = q
		s.queues = append(s.queues, q)
	}
	heap.Push(q, r)
	s.countTokens(q, len(r.Texts.IDs))
	if !r.Continued {
		s.waitingRequests++
	}
}

// drop takes the waiting texts of a request out of its queue. The request gets
// the error reason, unless it has one.
func (s *schedule) drop(r *Request, reason error) {
	if !r.waiting() {
		return
	}
	q := s.byTask[r.Task]
	heap.Remove(q, r.heapIndex)
	s.countTokens(q, -r.waitingTokens())
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

// countTokens counts n more tokens that wait in a queue.
func (s *schedule) countTokens(q *queue, n int) {
	q.waitingTokens += n
	s.waitingTokens += n
	if q.shares {
		s.sharingTokens += n
	}
}

// endWait counts a request that is not waiting any more.
func (s *schedule) endWait(r *Request) {
	if !r.Continued {
		s.waitingRequests--
	}
}

// removeIfEmpty removes a queue without requests, and keeps its tag if it is
// above virtual time.
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

// nextBatch takes a batch out of the queues, for one of the free cores. If there
// is none it returns the time at which there will be one if no request arrives
// before; the zero time means never.
func (s *schedule) nextBatch(now time.Time, freeCores int) (*batch, time.Time) {
	for {
		q, nextReady := s.chooseQueue(now)
		if q == nil {
			return nil, nextReady
		}
		share := (s.waitingTokens + freeCores - 1) / max(freeCores, 1)
		if b := s.takeBatch(q, min(max(share, s.minSplitTokens), s.maxBatchTokens), now); b != nil {
			return b, time.Time{}
		}
	}
}

// interruptShare is the least ratio of a running batch's tokens to those of a
// batch that may interrupt it.
const interruptShare = 4

// interruptingBatch takes a small batch out of the queues that is computed in
// the middle of a large one, or returns nil. It holds all texts that wait for a
// task with a lower tag than the large one's, or, if a long call has most of the large
// batch, a short call for the same task. The large batch is delayed by a fraction of its
// time, and by all short calls of its task together by at most its own; the small one
// would have waited for many times its own.
//
// Texts of tasks that share batches do not interrupt each other, unless one task
// has most of the large batch: they would be computed one by one, while the texts
// that come meanwhile could share the next batch.
func (s *schedule) interruptingBatch(now time.Time, running *batch) *batch {
	maxTokens := running.tokens / interruptShare
	var best *queue
	for _, q := range s.queues {
		if s.batchWait > 0 && s.readyAt(q).After(now) {
			continue
		}
		var may bool
		if q == running.queue || q.task == running.queue.task {
			may = running.ofLongCall() && q.requests[0].short(maxTokens) && running.delayed+maxTokens <= running.tokens
		} else {
			lead, flooded := int64(0), true
			if q.shares && running.queue.shares {
				lead, flooded = int64(running.tokens/2), 2*running.largest > running.tokens
			}
			may = flooded && q.startTag+lead < running.queue.startTag && q.waitingTokens <= maxTokens
		}
		if may && (best == nil || q.servedBefore(best)) {
			best = q
		}
	}
	if best == nil {
		return nil
	}
	if best.task != running.queue.task {
		return s.takeFrom(best, maxTokens) // nil if the contexts of all its requests have ended
	}
	b := s.takeFrom(best, best.requests[0].waitingTokens())
	if b != nil {
		running.delayed += b.tokens
	}
	return b
}

// readyAt returns when a queue's texts may be computed: at once if they fill a
// batch, together with those that may share it; else when the oldest request has
// waited for batchWait.
func (s *schedule) readyAt(q *queue) time.Time {
	if s.batchWait == 0 || q.waitingTokens >= s.maxBatchTokens || q.shares && s.sharingTokens >= s.maxBatchTokens {
		return time.Time{}
	}
	return q.oldestArrival.Add(s.batchWait)
}

// chooseQueue returns the queue to serve now, or else when the next one is ready
// (zero: none is waiting). Its scan over all queues is short compared with a
// forward pass, and the bound on waiting requests bounds the queues.
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
	isUrgent := s.urgency(now, best.startTag)
	var urgent *queue
	for _, q := range s.queues {
		if isUrgent(q) && !s.readyAt(q).After(now) && (urgent == nil || q.requests[0].Deadline.Before(urgent.requests[0].Deadline)) {
			urgent = q
		}
	}
	if urgent != nil {
		return urgent, time.Time{}
	}
	return best, time.Time{}
}

// urgency returns a function that tells whether a queue's first request is urgent: its
// deadline falls before the backlog would drain, and the queue's tag is less than a
// batch above the lowest.
func (s *schedule) urgency(now time.Time, lowestTag int64) func(q *queue) bool {
	backlogEnd := now.Add(time.Duration(float64(s.waitingTokens) * s.secondsPerToken / float64(s.cores) * float64(time.Second)))
	return func(q *queue) bool {
		return q.requests[0].Deadline.Before(backlogEnd) && q.startTag-lowestTag < int64(s.maxBatchTokens)
	}
}

// finish records a batch that took so much time of a core, and ends the requests
// that have no other texts. An error fails every request with texts in the batch,
// the error of a part its own request, and their waiting texts are dropped.
func (s *schedule) finish(b *batch, end time.Time, took time.Duration, err error) {
	// Batches count by their tokens: a small one takes longer for each.
	const averageBatches = 8
	sample := took.Seconds() * float64(1+b.helpers) / float64(b.tokens)
	s.secondsPerToken += (sample - s.secondsPerToken) * float64(b.tokens) / float64(s.measuredTokens+b.tokens)
	s.measuredTokens = min(s.measuredTokens+b.tokens, averageBatches*s.maxBatchTokens)
	for _, p := range b.parts {
		s.progress(p.request.Call, p.request.textStart(p.end)-p.request.textStart(p.first))
		r, err := p.request, err
		if err == nil {
			err = p.err
		}
		r.Ended = end
		r.runningBatches--
		if err != nil {
			if r.err == nil {
				r.err = err
			}
			if r.waiting() {
				s.drop(r, err) // closes done if this was the request's last batch
				continue
			}
		}
		if r.runningBatches == 0 && !r.waiting() {
			close(r.done)
		}
	}
}
