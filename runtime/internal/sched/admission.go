package sched

import (
	"time"

	"kenserve/runtime/internal/failure"
)

// # Admission
//
// A call tells at the door how many tokens it expects to need. The backlog is what the
// admitted calls still need, by task. A call is refused if, by the measured speed, it
// would not be done by its deadline:
//
//   - Calls of its task share the task's part of the cores, small ones first (see
//     schedule). So a call of up to a batch waits for as much of each other call as it
//     needs itself, and a larger one for all of them.
//   - Each other task gets as much as this one, if it has as much work.
//
// So a task that is overloaded refuses long calls, goes on with short ones, and leaves
// other tasks alone. A call that finds no backlog is always admitted, because the speed may
// have changed since it was measured. The estimate may turn out too low. Then a call is given up when its next part is submitted, so that
// those that can still be in time get its share.

// Call is a call on its way through the executor: one or more requests, one after the
// other. Its fields are under the executor's mutex.
type Call struct {
	task      string
	deadline  time.Time
	left      int   // tokens that it still needs, as expected
	submitted int   // tokens of its requests so far
	arrived   int64 // schedule.served when it was admitted
	order     uint64
}

// backlog is what admitted calls still need.
type backlog struct {
	calls  map[*Call]bool
	tokens int
}

// Admit admits a call that is expected to need so many tokens, or returns why it is
// refused: failure.ErrBusy, a failure.SlowError or failure.ErrClosed. A call with the
// zero deadline waits as long as it takes. The caller calls End when it has ended.
func (x *Executor) Admit(task string, tokens int, deadline time.Time) (*Call, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.admissionErrorLocked(); err != nil {
		return nil, err
	}
	s := &x.schedule
	b := s.backlogs[task]
	before := 0
	if b != nil {
		if before = b.tokens; tokens <= s.maxBatchTokens {
			before = min(before, len(b.calls)*tokens)
		}
	}
	// A call that finds nothing else shows itself how fast it is.
	if !deadline.IsZero() && (before > 0 || len(s.backlogs) > 0) {
		if err := s.late(task, tokens, before, deadline.Sub(time.Now())); err != nil {
			return nil, err
		}
	}
	s.admitted++
	c := &Call{task: task, deadline: deadline, left: tokens, arrived: s.served, order: s.admitted}
	if b == nil {
		b = &backlog{calls: map[*Call]bool{}}
		s.backlogs[task] = b
	}
	b.calls[c] = true
	b.tokens += tokens
	return c, nil
}

// End takes what a call still needs out of the backlog.
func (x *Executor) End(c *Call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.schedule
	b := s.backlogs[c.task]
	b.tokens -= c.left
	c.left = 0
	if delete(b.calls, c); len(b.calls) == 0 {
		delete(s.backlogs, c.task)
	}
}

// late returns an error if a call that needs tokens takes longer than left, when before
// tokens of its task are computed first.
func (s *schedule) late(task string, tokens, before int, left time.Duration) error {
	if s.secondsPerToken == 0 {
		return nil
	}
	demand := tokens + before
	total := demand
	for name, b := range s.backlogs {
		if name != task {
			total += min(b.tokens, demand)
		}
	}
	// As long as only small batches were measured, large ones may be faster. Then more
	// is admitted than may be in time, and given up later if need be.
	const largestGain = 4
	trust := max(1.0/largestGain, min(1, float64(s.measuredTokens)/float64(s.maxBatchTokens)))
	need := time.Duration(float64(total) * s.secondsPerToken * trust / float64(s.cores) * float64(time.Second))
	if need <= left {
		return nil
	}
	return &failure.SlowError{Need: need, RetryAfter: need - max(left, 0)}
}

// progress records that tokens of a call were computed.
func (s *schedule) progress(c *Call, tokens int) {
	if c == nil {
		return
	}
	tokens = min(tokens, c.left)
	c.left -= tokens
	if b := s.backlogs[c.task]; b != nil {
		b.tokens -= tokens
	}
}

// lateAgain returns an error if an admitted call, about to submit its next part, will
// be too late. Only calls that were admitted before it count: if all cannot be in time,
// the latest are given up, and the others get their share.
func (s *schedule) lateAgain(c *Call, now time.Time) error {
	if c == nil || c.left == 0 || c.deadline.IsZero() {
		return nil
	}
	before := 0
	for other := range s.backlogs[c.task].calls {
		if other.order < c.order {
			before += min(other.left, max(c.left, s.maxBatchTokens))
		}
	}
	return s.late(c.task, c.left, before, c.deadline.Sub(now))
}

const (
	// submittedWeight is how many tokens of others a call lets pass for each token that
	// it has submitted already. So it gets at least one in submittedWeight of its task's
	// tokens, and short calls do not wait for the end of long ones.
	submittedWeight = 16
	// rankBatches is how many batches of tokens have the same rank. Among requests of
	// equal rank the earliest deadline is first.
	rankBatches = 4
)

// rank returns the place of a call's next part among the requests of its task; the
// lowest is first.
func (s *schedule) rank(c *Call) int64 {
	if c == nil {
		return 0
	}
	return (c.arrived + submittedWeight*int64(c.submitted)) / int64(rankBatches*s.maxBatchTokens)
}
