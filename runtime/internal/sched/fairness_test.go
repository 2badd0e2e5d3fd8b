package sched

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// simulation runs a schedule on simulated cores and a simulated clock: a token
// takes a core 100 µs, and a batch has 40 steps between which it may be
// interrupted.
type simulation struct {
	s     schedule
	now   time.Time
	cores []simulatedCore
}

// simulatedCore is a core: its batch, and the one that interrupts it, if any.
type simulatedCore struct {
	running, interrupting *batch
	stepsLeft             int       // of running
	until                 time.Time // end of the step, or of the interruption
}

const (
	simulatedToken = 100 * time.Microsecond
	simulatedSteps = 40
)

// advance lets time pass until to.
func (m *simulation) advance(to time.Time) {
	for {
		m.fill()
		first := -1 // core whose step ends next
		for i := range m.cores {
			if m.cores[i].running != nil && (first < 0 || m.cores[i].until.Before(m.cores[first].until)) {
				first = i
			}
		}
		if first < 0 || m.cores[first].until.After(to) {
			m.now = to
			return
		}
		m.step(&m.cores[first])
	}
}

// fill gives batches to free cores.
func (m *simulation) fill() {
	for i := range m.cores {
		free := 0
		for _, c := range m.cores {
			if c.running == nil {
				free++
			}
		}
		if c := &m.cores[i]; c.running == nil {
			if c.running, _ = m.s.nextBatch(m.now, free); c.running != nil {
				c.stepsLeft = simulatedSteps
				c.until = m.now.Add(time.Duration(c.running.tokens) * simulatedToken / simulatedSteps)
			}
		}
	}
}

// step ends the step or the interruption of a core and begins the next.
func (m *simulation) step(c *simulatedCore) {
	m.now = c.until
	if c.interrupting != nil {
		m.s.finish(c.interrupting, m.now, time.Duration(c.interrupting.tokens)*simulatedToken, nil)
		c.interrupting = nil
	} else {
		c.stepsLeft--
	}
	if c.stepsLeft == 0 {
		m.s.finish(c.running, m.now, time.Duration(c.running.tokens)*simulatedToken, nil)
		c.running = nil
		return
	}
	free := slices.ContainsFunc(m.cores, func(c simulatedCore) bool { return c.running == nil })
	if !free {
		if c.interrupting = m.s.interruptingBatch(m.now, c.running); c.interrupting != nil {
			c.until = m.now.Add(time.Duration(c.interrupting.tokens) * simulatedToken)
			return
		}
	}
	c.until = m.now.Add(time.Duration(c.running.tokens) * simulatedToken / simulatedSteps)
}

// trickleLatencies returns the latencies of 4000 requests of one text to 99
// tasks, sorted. Together they need about a third of two cores. Another task
// always has flood requests of 32 texts waiting, with deadlines due after arrival.
// The tasks share batches or do not.
func trickleLatencies(flood int, due time.Duration, shares bool) []time.Duration {
	m := simulation{s: newSchedule(1024, 2, 0), now: epoch, cores: make([]simulatedCore, 2)}
	rng := rand.New(rand.NewPCG(1, 2))
	var requests, floods []*Request
	length := func() int { return 3 + int(rng.ExpFloat64()*22) }
	next := epoch
	for range 4000 {
		next = next.Add(time.Duration(rng.ExpFloat64() * float64(4*time.Millisecond)))
		for m.now.Before(next) {
			floods = slices.DeleteFunc(floods, func(r *Request) bool { return !r.Ended.IsZero() && r.runningBatches == 0 })
			for len(floods) < flood {
				r := ask("flood", 0)
				r.Shares = shares
				r.Deadline = m.now.Add(due)
				for range 32 {
					r.Texts.IDs = append(r.Texts.IDs, make([]int32, length())...)
					r.Texts.Ends = append(r.Texts.Ends, len(r.Texts.IDs))
				}
				floods = append(floods, r)
				m.s.add(r, m.now)
			}
			to := next
			if soon := m.now.Add(10 * time.Millisecond); soon.Before(to) {
				to = soon
			}
			m.advance(to)
		}
		r := ask(string('a'+rune(rng.IntN(99))), 0, length())
		r.Shares = shares
		r.Deadline = m.now.Add(10 * time.Second)
		m.s.add(r, m.now)
		requests = append(requests, r)
	}
	m.advance(m.now.Add(time.Minute))
	var latency []time.Duration
	for _, r := range requests {
		latency = append(latency, r.Ended.Sub(r.Arrived))
	}
	slices.Sort(latency)
	return latency
}

// TestFlood: however many texts one task sends, and with whatever deadlines, the
// 99th percentile latency of 99 other tasks is at most three times what it is
// without that task.
func TestFlood(t *testing.T) {
	for _, shares := range []bool{false, true} {
		alone := trickleLatencies(0, 0, shares)
		p99 := func(l []time.Duration) time.Duration { return l[len(l)*99/100] }
		for _, due := range []time.Duration{10 * time.Second, 100 * time.Millisecond} {
			beside := trickleLatencies(64, due, shares)
			t.Logf("tasks share batches: %v, flood due in %v: p50 %v, p99 %v; without flood %v and %v", shares, due, beside[len(beside)/2], p99(beside), alone[len(alone)/2], p99(alone))
			if p99(beside) > 3*p99(alone) {
				t.Errorf("tasks share batches: %v, flood due in %v: p99 is %v, without flood %v", shares, due, p99(beside), p99(alone))
			}
		}
	}
}
