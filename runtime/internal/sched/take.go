package sched

import (
	"container/heap"
	"slices"
	"time"
)

// evenShare is the ratio of minSplitTokens to the number of tokens by which a task may
// exceed all others of its batch.
const evenShare = 2

// takeBatch takes a batch of up to maxTokens tokens, but at least one text, out of the
// queues, beginning with q. It drops requests whose context has ended; if none is left
// it may return nil.
//
// If several tasks share it, no task has many more tokens in it than all others
// together, because their texts must not wait for those of one task. A task of which no
// more texts can be taken is the first one of the next batch.
func (s *schedule) takeBatch(q *queue, maxTokens int, now time.Time) *batch {
	if !q.shares {
		return s.takeFrom(q, maxTokens)
	}
	t := taking{s: s, b: &batch{}, maxTokens: maxTokens}
	order := s.sharingOrder(q, now)
	for len(order.queues) > 0 {
		q := order.queues[0]
		if t.uneven(q) {
			heap.Pop(order)
			continue
		}
		if !t.text(q) {
			break
		}
		if len(q.requests) == 0 {
			heap.Pop(order)
		} else {
			heap.Fix(order, 0)
		}
	}
	return t.end()
}

// uneven tells whether, with the next text of a queue, one task had too large a part of
// a batch that several tasks share.
func (t *taking) uneven(q *queue) bool {
	r := q.requests[0]
	tokens := r.Texts.Ends[r.nextText] - r.textStart(r.nextText)
	largest, tasks := max(t.b.largest, tokens), len(t.queues)
	if q.batch == t.b {
		largest = max(largest, q.batchTokens+tokens)
	} else {
		tasks++
	}
	return tasks > 1 && largest > t.b.tokens+tokens-largest+t.s.minSplitTokens/evenShare
}

// takeFrom is takeBatch with texts of one queue only.
func (s *schedule) takeFrom(q *queue, maxTokens int) *batch {
	t := taking{s: s, b: &batch{}, maxTokens: maxTokens}
	for len(q.requests) > 0 && t.text(q) {
	}
	return t.end()
}

// taking is a batch that is being taken out of the queues.
type taking struct {
	s         *schedule
	b         *batch
	maxTokens int
	queues    []*queue // of the batch's texts
	firstTag  int64    // of the queue from which the first text was taken
}

// text takes the next text of a queue with requests, or drops its first request if the
// context has ended. It returns false, and takes nothing, if the text does not fit.
func (t *taking) text(q *queue) bool {
	b, r := t.b, q.requests[0]
	if err := r.Context.Err(); err != nil {
		q.part = -1
		t.s.drop(r, err)
		return true
	}
	tokens := r.Texts.Ends[r.nextText] - r.textStart(r.nextText)
	if b.texts > 0 && b.tokens+tokens > t.maxTokens {
		return false
	}
	if b.texts == 0 {
		t.firstTag = q.startTag
	}
	if q.batch != b {
		q.batch, q.batchTokens, q.part, q.order = b, 0, -1, len(t.queues)
		t.queues = append(t.queues, q)
	}
	if q.part < 0 {
		q.part = len(b.parts)
		b.parts = append(b.parts, part{request: r, first: r.nextText, order: q.order})
		r.runningBatches++
	}
	r.nextText++
	b.parts[q.part].end = r.nextText
	b.tokens += tokens
	b.texts++
	t.s.served += int64(tokens)
	t.s.countTokens(q, -tokens)
	q.startTag += int64(tokens)
	q.batchTokens += tokens
	t.b.largest = max(t.b.largest, q.batchTokens)
	if !r.waiting() {
		heap.Pop(q)
		t.s.endWait(r)
		q.part = -1
	}
	return true
}

// end returns the batch, or nil if it has no texts.
func (t *taking) end() *batch {
	s, b := t.s, t.b
	if b.texts == 0 {
		return nil // drop has removed the queues
	}
	s.virtualTime = max(s.virtualTime, t.firstTag)
	for _, q := range t.queues {
		q.batch = nil
		if b.queue == nil || q.startTag > b.queue.startTag {
			b.queue = q
		}
		if len(q.requests) > 0 && s.batchWait > 0 {
			q.oldestArrival = q.requests[0].Arrived
			for _, r := range q.requests {
				if r.Arrived.Before(q.oldestArrival) {
					q.oldestArrival = r.Arrived
				}
			}
		}
		s.removeIfEmpty(q)
	}
	for name, tag := range s.idleTags {
		if tag <= s.virtualTime {
			delete(s.idleTags, name)
		}
	}
	if len(t.queues) > 1 { // texts of a task lie together
		slices.SortStableFunc(b.parts, func(x, y part) int { return x.order - y.order })
	}
	return b
}

// queueOrder is a heap of queues that share a batch, in the order in which they are
// served.
type queueOrder struct {
	queues []*queue
	first  *queue // goes first until one of its texts was taken
	tag    int64  // of first at the beginning
	urgent func(q *queue) bool
}

// sharingOrder returns the queues that may share a batch with q, which goes first.
func (s *schedule) sharingOrder(q *queue, now time.Time) *queueOrder {
	lowest := q.startTag
	o := &queueOrder{queues: s.order[:0], first: q, tag: q.startTag}
	for _, q := range s.queues {
		lowest = min(lowest, q.startTag)
		if q.shares {
			o.queues = append(o.queues, q)
		}
	}
	s.order = o.queues
	o.urgent = s.urgency(now, lowest)
	heap.Init(o)
	return o
}

// The methods of heap.Interface.

func (o *queueOrder) Len() int      { return len(o.queues) }
func (o *queueOrder) Swap(i, j int) { o.queues[i], o.queues[j] = o.queues[j], o.queues[i] }
func (o *queueOrder) Less(i, j int) bool {
	p, q := o.queues[i], o.queues[j]
	if p == o.first || q == o.first {
		if o.first.startTag == o.tag {
			return p == o.first
		}
	}
	if u, v := o.urgent(p), o.urgent(q); u || v {
		return u && (!v || p.requests[0].Deadline.Before(q.requests[0].Deadline))
	}
	return p.servedBefore(q)
}
func (o *queueOrder) Push(any) { panic("sched: no queue is added to an order") }
func (o *queueOrder) Pop() any {
	last := len(o.queues) - 1
	q := o.queues[last]
	o.queues[last] = nil
	o.queues = o.queues[:last]
	return q
}
