package sched

import (
	"context"
	"time"

	"kenserve/models"
)

// TaskHandle gives the executor a task's network. Requests with equal handles
// may share a batch; see also Request.Shares.
type TaskHandle interface {
	// Use returns the network for one batch. The executor calls done after it.
	Use() (network models.Network, done func())
}

// Request is the encoded texts of a call, or some of them, on their way through
// the executor.
type Request struct {
	// Context ends the wait: texts that are not in a batch by then are not
	// computed.
	Context  context.Context
	Task     TaskHandle
	Name     string       // of the task
	Texts    models.Batch // at least one
	Logits   []float32    // [texts, labels], row-major; the executor writes it until Wait returns
	Deadline time.Time    // by which the request should be done; it only decides the order
	// Call is the admitted call that the request is a part of; nil: it was not
	// announced.
	Call *Call
	// Shares tells that the texts may share a batch with those of other tasks whose
	// requests have it, too: the networks of all of them were bound by one
	// architecture. It is the same for all requests of a task.
	Shares bool
	// Continued tells that the request is a further part of a call that was
	// admitted already. It is not refused for load.
	Continued bool

	// Set by the executor, to be read after Wait.
	Arrived time.Time
	Began   time.Time // when the batch with the first text began
	Ended   time.Time

	err  error         // why some texts were not computed
	done chan struct{} // closed when no text is waiting or being computed

	arrivalOrder   uint64
	rank           int64 // see schedule.rank
	heapIndex      int   // in its queue
	nextText       int   // the texts before it are in batches
	runningBatches int   // batches that hold texts of the request
}

// textStart returns where the tokens of text i begin.
func (r *Request) textStart(i int) int {
	if i == 0 {
		return 0
	}
	return r.Texts.Ends[i-1]
}

// waitingTokens returns how many tokens are not in a batch yet.
func (r *Request) waitingTokens() int { return len(r.Texts.IDs) - r.textStart(r.nextText) }

// waiting tells whether some texts are not in a batch yet.
func (r *Request) waiting() bool { return r.nextText < len(r.Texts.Ends) }

// short tells whether r is all of a call, and has up to maxTokens.
func (r *Request) short(maxTokens int) bool {
	return r.Call != nil && len(r.Texts.IDs) <= maxTokens && r.Call.submitted == len(r.Texts.IDs) && r.Call.left <= maxTokens
}

// ofLongCall tells whether a single request has most of a batch.
func (b *batch) ofLongCall() bool {
	for _, p := range b.parts {
		if n := p.request.textStart(p.end) - p.request.textStart(p.first); 2*n > b.tokens {
			return true
		}
	}
	return false
}

// before tells whether r is computed before o, a request of the same task: by rank, by
// deadline, then by arrival.
func (r *Request) before(o *Request) bool {
	if r.rank != o.rank {
		return r.rank < o.rank
	}
	return r.dueBefore(o)
}

// dueBefore is before without the rank, which only compares calls of one task.
func (r *Request) dueBefore(o *Request) bool {
	if !r.Deadline.Equal(o.Deadline) {
		return r.Deadline.Before(o.Deadline)
	}
	return r.arrivalOrder < o.arrivalOrder
}

// queue is a heap of one task's waiting requests. The one to compute first is at
// the root. There is no empty queue.
type queue struct {
	task          TaskHandle
	name          string
	requests      []*Request
	waitingTokens int
	shares        bool
	startTag      int64     // see schedule
	oldestArrival time.Time // of the waiting requests, or earlier

	// While a batch is taken: that batch, the queue's tokens in it, the number of queues
	// in it before this one, and the part of it that holds texts of the first request;
	// −1: none does.
	batch       *batch
	batchTokens int
	order       int
	part        int
}

// servedBefore tells whether q is served before p: by start tag, then by the
// order of their first requests.
func (q *queue) servedBefore(p *queue) bool {
	if q.startTag != p.startTag {
		return q.startTag < p.startTag
	}
	return q.requests[0].dueBefore(p.requests[0])
}

// The methods of heap.Interface.

func (q *queue) Len() int           { return len(q.requests) }
func (q *queue) Less(i, j int) bool { return q.requests[i].before(q.requests[j]) }
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

// part is a request's share of a batch: its texts [first, end).
type part struct {
	request    *Request
	first, end int
	order      int   // of its queue in the batch
	err        error // why its texts were refused, while those of other parts were computed
}

// batch is the texts that are computed together. Those of a task lie together.
type batch struct {
	parts  []part
	tokens int
	texts  int
	queue  *queue // of those from which it was taken, the one with the highest tag

	largest int // tokens of the task that has most of them

	delayed int // tokens of short calls for its task that have interrupted it
	helpers int // cores without a batch when it began, which help
}
