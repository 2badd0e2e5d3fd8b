package sched

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kenserve/runtime/internal/failure"
)

// newIdle returns an executor without workers, for its bookkeeping.
func newIdle(maxBatchTokens, cores int, secondsPerToken float64) *Executor {
	x := &Executor{
		config:   Config{Cores: cores, MaxWaitingRequests: 100, MaxWaitingTokens: 1 << 20},
		schedule: newSchedule(maxBatchTokens, cores, 0),
	}
	x.schedule.secondsPerToken, x.schedule.measuredTokens = secondsPerToken, maxBatchTokens
	return x
}

// TestAdmit: with 10 ms for each token on two cores, and batches of 100 tokens, work of
// 2,000 tokens takes 10 s.
func TestAdmit(t *testing.T) {
	type ask struct {
		task    string
		tokens  int
		seconds float64 // to the deadline; 0: there is none
		refused bool
	}
	for _, c := range []struct {
		name  string
		speed float64
		asks  []ask
	}{
		{"alone, whatever it needs", .01, []ask{{"a", 1e6, 1, false}}},
		{"without a deadline", .01, []ask{{"a", 1e6, 1, false}, {"a", 1e6, 0, false}, {"b", 1e6, 0, false}, {"a", 1000, 1, true}}},
		{"speed is not measured yet", 0, []ask{{"a", 1e6, 1, false}, {"a", 1e6, 1, false}}},
		{"long ones of a task as long as all can be in time", .01, []ask{{"a", 1000, 10, false}, {"a", 900, 10, false}, {"a", 1000, 10, true}, {"a", 1000, 20, false}}},
		{"a short one goes on", .01, []ask{{"a", 1900, 10, false}, {"a", 1000, 10, true}, {"a", 10, 1, false}, {"a", 10, 1, false}}},
		{"a short one without time", .01, []ask{{"a", 1900, 10, false}, {"a", 50, .1, true}}},
		{"many short ones", .01, []ask{{"a", 90, 1, false}, {"a", 90, 1, false}, {"a", 90, 1, true}}},
		{"another task is not shut out", .01, []ask{{"a", 2000, 10, false}, {"b", 900, 10, false}, {"b", 900, 10, true}, {"c", 500, 10, false}}},
	} {
		x := newIdle(100, 2, c.speed)
		var calls []*Call
		for i, q := range c.asks {
			var deadline time.Time
			if q.seconds > 0 {
				deadline = time.Now().Add(time.Duration(q.seconds * float64(time.Second)))
			}
			call, err := x.Admit(q.task, q.tokens, deadline)
			if (err != nil) != q.refused {
				t.Errorf("%s: ask %d: %v", c.name, i, err)
			}
			if slow, ok := errors.AsType[*failure.SlowError](err); q.refused && (!ok || !errors.Is(err, failure.ErrBusy) || slow.RetryAfter <= 0 || slow.Need <= 0) {
				t.Errorf("%s: ask %d: %+v", c.name, i, err)
			}
			if call != nil {
				calls = append(calls, call)
			}
		}
		for _, call := range calls {
			x.schedule.progress(call, 30)
			x.End(call)
		}
		if len(x.schedule.backlogs) != 0 {
			t.Errorf("%s: at the end %v", c.name, x.schedule.backlogs)
		}
	}
}

// A small batch says little about large ones, so that more is admitted.
func TestAdmitEarly(t *testing.T) {
	x := newIdle(100, 2, .01)
	x.schedule.measuredTokens = 5
	for i, refused := range []bool{false, false, false, false, true} {
		if _, err := x.Admit("a", 1900, time.Now().Add(10*time.Second)); (err != nil) != refused {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

// A call that was admitted and can be in time no more is given up at its next part.
func TestGivenUp(t *testing.T) {
	x := newIdle(100, 2, .001)
	deadline := time.Now().Add(10 * time.Second)
	first, err := x.Admit("a", 5000, deadline)
	if err != nil {
		t.Fatal(err)
	}
	second, err := x.Admit("a", 5000, deadline)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.schedule.lateAgain(second, time.Now()); err != nil {
		t.Error(err)
	}
	x.schedule.secondsPerToken = .003 // both together now take 15 s
	if err := x.schedule.lateAgain(first, time.Now()); err != nil {
		t.Errorf("the earlier call is given up: %v", err)
	}
	if err := x.schedule.lateAgain(second, time.Now()); !errors.Is(err, failure.ErrBusy) {
		t.Errorf("a late call goes on: %v", err)
	}
	x.End(second)
	x.schedule.secondsPerToken = .01
	if err := x.schedule.lateAgain(first, time.Now()); !errors.Is(err, failure.ErrBusy) {
		t.Errorf("a late call that is alone goes on: %v", err) // for 25 s
	}
	x.schedule.secondsPerToken = .003
	if err := x.schedule.lateAgain(first, time.Now()); err != nil {
		t.Errorf("a call in time is given up: %v", err)
	}
	x.End(first)
}

// TestRank: a long call submits part after part, each with an earlier deadline than the
// short calls that come meanwhile. They overtake it, and it gets its share of the rest.
func TestRank(t *testing.T) {
	s := newSchedule(100, 1, 0)
	now := epoch
	part := func(c *Call, due, tokens int) {
		r := ask("a", due, tokens)
		r.Call = c
		s.add(r, now)
	}
	long := &Call{task: "a"}
	var got []string
	for i := range 60 {
		part(long, 10, 100)
		for range 1 + i%2 {
			part(&Call{task: "a", arrived: s.served}, 1000+i, 50)
		}
		b, _ := s.nextBatch(now, 1)
		got = append(got, kinds(b))
	}
	// The first parts of the long call go first, as it is the earlier one; from then on
	// short ones do, and the long one still has its turn.
	all := strings.Join(got, "")
	if !strings.HasPrefix(all, "L") || strings.Contains(all[2:], "LLL") {
		t.Errorf("batches %s", all)
	}
	if n := strings.Count(all[2:], "L"); n == 0 || n > len(all)/4 {
		t.Errorf("%d of %d batches are of the long call: %s", n, len(all), all)
	}
}

// TestShortInterrupts: short calls are computed in the middle of a large batch of their
// own task, for as many tokens as it has itself, and parts of long calls are not.
func TestShortInterrupts(t *testing.T) {
	s := newSchedule(100, 1, 0)
	long := &Call{task: "a", left: 300}
	add := func(c *Call, tokens ...int) {
		r := ask("a", 10, tokens...)
		r.Call = c
		s.add(r, epoch)
	}
	add(long, 100)
	running, _ := s.nextBatch(epoch, 1)
	add(long, 20)
	if b := s.interruptingBatch(epoch, running); b != nil {
		t.Errorf("a part of a long call interrupts: %s", b)
	}
	s.nextBatch(epoch, 1)
	add(&Call{task: "a", left: 100}, 20)
	if b := s.interruptingBatch(epoch, running); b != nil {
		t.Errorf("the first part of a long call interrupts: %s", b)
	}
	s.nextBatch(epoch, 1)
	tokens := 0
	for range 20 {
		add(&Call{task: "a", left: 10}, 6, 4)
		if b := s.interruptingBatch(epoch, running); b != nil {
			tokens += b.tokens
		}
	}
	if tokens == 0 || tokens > running.tokens {
		t.Errorf("a batch of %d tokens is interrupted for %d", running.tokens, tokens)
	}
}

// kinds writes a batch of TestRank as L if it has the long call, S if it has not.
func kinds(b *batch) string {
	for _, p := range b.parts {
		if p.request.Deadline.Equal(epoch.Add(10 * time.Millisecond)) {
			return "L"
		}
	}
	return "S"
}

// Small batches take longer for each token. They say little about large ones.
func TestMeasuredSpeed(t *testing.T) {
	s := newSchedule(1000, 2, 0)
	compute := func(tokens, helpers int, took time.Duration) {
		r := ask("a", 10, tokens)
		s.add(r, epoch)
		b, _ := s.nextBatch(epoch, 1)
		b.helpers = helpers
		s.finish(b, epoch, took, nil)
	}
	compute(10, 0, 10*time.Millisecond) // 1 ms a token
	compute(1000, 0, 100*time.Millisecond)
	compute(1000, 1, 50*time.Millisecond) // both cores
	var seen []string
	for range 3 {
		compute(10, 0, 10*time.Millisecond)
		seen = append(seen, fmt.Sprintf("%.2f", 1000*s.secondsPerToken))
	}
	if diff := cmp.Diff([]string{"0.11", "0.11", "0.12"}, seen); diff != "" {
		t.Error(diff)
	}
}
