package sched

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"kenserve/models"
)

// epoch is when the clock of a test begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fakeTask is a task of that name, which cannot be computed.
type fakeTask string

func (fakeTask) Use() (models.Network, func()) { panic("not computed in this test") }

// ask makes a request of texts with these numbers of tokens. Its deadline is due
// milliseconds after epoch.
func ask(task string, due int, tokens ...int) *Request {
	r := &Request{Context: context.Background(), Task: fakeTask(task), Name: task, Deadline: epoch.Add(time.Duration(due) * time.Millisecond), done: make(chan struct{})}
	for _, n := range tokens {
		r.Texts.IDs = append(r.Texts.IDs, make([]int32, n)...)
		r.Texts.Ends = append(r.Texts.Ends, len(r.Texts.IDs))
	}
	return r
}

// share is ask for a task that shares batches.
func share(task string, due int, tokens ...int) *Request {
	r := ask(task, due, tokens...)
	r.Shares = true
	return r
}

// String writes a batch as "task due[first:end] …": for each task and each of its
// requests the deadline in milliseconds after epoch, and its texts.
func (b *batch) String() string {
	if b == nil {
		return "none"
	}
	var parts []string
	for i, p := range b.parts {
		if i == 0 || p.request.Task != b.parts[i-1].request.Task {
			parts = append(parts, p.request.Name)
		}
		parts = append(parts, fmt.Sprintf("%d[%d:%d]", p.request.Deadline.Sub(epoch).Milliseconds(), p.first, p.end))
	}
	return strings.Join(parts, " ")
}

func TestScheduleOrder(t *testing.T) {
	at := func(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	never := 1 << 20
	tests := []struct {
		name string
		do   func(s *schedule) []*batch
		want []string
	}{
		{"requests of a task share a batch, earliest deadline first", func(s *schedule) []*batch {
			s.add(ask("a", 30, 10), at(0))
			s.add(ask("a", 10, 10, 10), at(1))
			s.add(ask("a", 20, 10), at(2))
			return s.takeAll(at(3), 1)
		}, []string{"a 10[0:2] 20[0:1] 30[0:1]"}},

		{"a batch is bounded by tokens and a request may span two", func(s *schedule) []*batch {
			s.add(ask("a", 10, 60, 30, 30), at(0))
			s.add(ask("a", 20, 50), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"a 10[0:2]", "a 10[2:3] 20[0:1]"}},

		{"a text longer than the bound has a batch of its own", func(s *schedule) []*batch {
			s.add(ask("a", 10, 300), at(0))
			s.add(ask("a", 20, 1), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"a 10[0:1]", "a 20[0:1]"}},

		{"a batch is of one task; the earlier deadline goes first", func(s *schedule) []*batch {
			s.add(ask("a", 20, 10), at(0))
			s.add(ask("b", 10, 10), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"b 10[0:1]", "a 20[0:1]"}},

		{"equal deadlines: the earlier arrival goes first", func(s *schedule) []*batch {
			s.add(ask("b", 10, 10), at(0))
			s.add(ask("a", 10, 10), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"b 10[0:1]", "a 10[0:1]"}},

		{"two tasks with many texts take turns, whatever their deadlines", func(s *schedule) []*batch {
			for range 3 {
				s.add(ask("a", never, 100), at(0))
				s.add(ask("b", never+1, 100), at(0))
			}
			return s.takeAll(at(1), 1)
		}, []string{"a 1048576[0:1]", "b 1048577[0:1]", "a 1048576[0:1]", "b 1048577[0:1]", "a 1048576[0:1]", "b 1048577[0:1]"}},

		{"a task that comes after a flood is next", func(s *schedule) []*batch {
			for range 4 {
				s.add(ask("flood", never, 100), at(0))
			}
			out := s.takeUpTo(2, at(1), 1)
			s.add(ask("trickle", 2*never, 10), at(2))
			return append(out, s.takeAll(at(3), 1)...)
		}, []string{"flood 1048576[0:1]", "flood 1048576[0:1]", "trickle 2097152[0:1]", "flood 1048576[0:1]", "flood 1048576[0:1]"}},

		{"idle time earns a task nothing", func(s *schedule) []*batch {
			for range 3 {
				s.add(ask("a", never, 100), at(0))
			}
			out := s.takeUpTo(2, at(1), 1)
			for range 2 {
				s.add(ask("b", never+1, 100), at(2))
			}
			return append(out, s.takeAll(at(3), 1)...) // not b, b, a
		}, []string{"a 1048576[0:1]", "a 1048576[0:1]", "b 1048577[0:1]", "a 1048576[0:1]", "b 1048577[0:1]"}},

		{"a task whose queue becomes empty keeps its tag", func(s *schedule) []*batch {
			s.add(ask("a", never, 100), at(0))
			s.add(ask("b", never+1, 50), at(0))
			out := s.takeUpTo(1, at(1), 1)
			s.add(ask("a", never, 100), at(2))
			return append(out, s.takeAll(at(3), 1)...)
		}, []string{"a 1048576[0:1]", "b 1048577[0:1]", "a 1048576[0:1]"}},

		{"an urgent request overtakes, by less than a batch", func(s *schedule) []*batch {
			s.secondsPerToken = 0.001 // the 460 tokens below take 460 ms
			s.add(ask("a", never, 60), at(0))
			for range 4 {
				s.add(ask("late", 200, 100), at(0))
			}
			out := s.takeUpTo(1, at(0), 1) // late is first at equal tags anyway
			return append(out, s.takeAll(at(100), 1)...)
		}, []string{"late 200[0:1]", "a 1048576[0:1]", "late 200[0:1]", "late 200[0:1]", "late 200[0:1]"}},

		{"an urgent request overtakes a task with a lower tag", func(s *schedule) []*batch {
			s.secondsPerToken = 0.001
			s.add(ask("b", never, 40), at(0))
			out := s.takeUpTo(1, at(0), 1) // b has had 40
			s.add(ask("a", never, 60), at(1))
			s.add(ask("b", 50, 50), at(1))
			return append(out, s.takeAll(at(2), 1)...)
		}, []string{"b 1048576[0:1]", "b 50[0:1]", "a 1048576[0:1]"}},

		{"a request that is in time anyway does not overtake", func(s *schedule) []*batch {
			s.secondsPerToken = 0.001
			s.add(ask("b", never, 40), at(0))
			out := s.takeUpTo(1, at(0), 1)
			s.add(ask("a", never, 60), at(1))
			s.add(ask("b", 500, 50), at(1))
			return append(out, s.takeAll(at(2), 1)...)
		}, []string{"b 1048576[0:1]", "a 1048576[0:1]", "b 500[0:1]"}},

		{"free cores share the texts that wait", func(s *schedule) []*batch {
			s.minSplitTokens = 20
			s.add(ask("a", 10, 20, 20, 20, 20), at(0))
			return s.takeAll(at(1), 2)
		}, []string{"a 10[0:2]", "a 10[2:3]", "a 10[3:4]"}},

		{"few texts are not split between cores", func(s *schedule) []*batch {
			s.minSplitTokens = 80
			s.add(ask("a", 10, 20, 20, 20, 20), at(0))
			return s.takeAll(at(1), 2)
		}, []string{"a 10[0:4]"}},

		{"requests whose context has ended are not computed", func(s *schedule) []*batch {
			cancelled, cancel := context.WithCancel(context.Background())
			cancel()
			s.add(ask("a", 30, 10), at(0))
			r := ask("a", 10, 10, 10)
			r.Context = cancelled
			s.add(r, at(0))
			r = ask("b", 5, 10)
			r.Context = cancelled
			s.add(r, at(0))
			return s.takeAll(at(1), 1)
		}, []string{"a 30[0:1]"}},

		{"tasks share a batch, earliest deadline first", func(s *schedule) []*batch {
			s.add(share("a", 20, 10, 10), at(0))
			s.add(share("b", 10, 10), at(0))
			s.add(share("c", 30, 10), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"b 10[0:1] a 20[0:2] c 30[0:1]"}},

		{"a batch that tasks share is bounded by tokens, and taken text by text", func(s *schedule) []*batch {
			s.add(share("a", 10, 40, 40, 40), at(0))
			s.add(share("b", 20, 30, 30, 30), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"a 10[0:1] b 20[0:2]", "a 10[1:2] b 20[2:3]", "a 10[2:3]"}},

		{"the requests of a task lie together in a batch that tasks share", func(s *schedule) []*batch {
			s.add(share("a", 10, 10), at(0))
			s.add(share("b", 20, 10, 10), at(0))
			s.add(share("a", 30, 10), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"a 10[0:1] 30[0:1] b 20[0:2]"}},

		{"a task that does not share has batches of its own", func(s *schedule) []*batch {
			s.add(share("a", 20, 10), at(0))
			s.add(ask("own", 10, 10), at(0))
			s.add(share("b", 30, 10), at(0))
			return s.takeAll(at(1), 1)
		}, []string{"own 10[0:1]", "a 20[0:1] b 30[0:1]"}},

		{"a flood shares a batch with all others", func(s *schedule) []*batch {
			s.add(share("flood", never, 20, 20, 20, 20, 20, 20, 20, 20), at(0))
			out := s.takeUpTo(1, at(1), 1)
			s.add(share("a", 2*never, 10), at(2))
			s.add(share("b", 2*never, 60), at(2))
			return append(out, s.takeAll(at(3), 1)...)
		}, []string{"flood 1048576[0:5]", "a 2097152[0:1] b 2097152[0:1] flood 1048576[5:6]", "flood 1048576[6:8]"}},

		{"urgent texts are first in a batch that tasks share", func(s *schedule) []*batch {
			s.secondsPerToken = 0.001
			s.add(share("b", never, 40), at(0))
			out := s.takeUpTo(1, at(0), 1) // b has had 40
			s.add(share("a", never, 60, 60), at(1))
			s.add(share("b", 50, 50), at(1))
			return append(out, s.takeAll(at(2), 1)...)
		}, []string{"b 1048576[0:1]", "b 50[0:1]", "a 1048576[0:1]", "a 1048576[1:2]"}},

		{"requests whose context has ended leave room for other tasks", func(s *schedule) []*batch {
			cancelled, cancel := context.WithCancel(context.Background())
			cancel()
			for _, task := range []string{"a", "b", "c"} {
				r := share(task, 10, 50)
				r.Context = cancelled
				s.add(r, at(0))
				s.add(share(task, 20, 30), at(0))
			}
			return s.takeAll(at(1), 1)
		}, []string{"a 20[0:1] b 20[0:1] c 20[0:1]"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSchedule(100, 1, 0)
			var got []string
			for _, b := range test.do(&s) {
				got = append(got, b.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if s.waitingTokens != 0 || s.waitingRequests != 0 || len(s.queues) != 0 || len(s.byTask) != 0 {
				t.Errorf("at the end %d tokens and %d requests wait, in %d and %d queues", s.waitingTokens, s.waitingRequests, len(s.queues), len(s.byTask))
			}
		})
	}
}

// takeAll takes batches until there is none.
func (s *schedule) takeAll(now time.Time, free int) []*batch {
	return s.takeUpTo(math.MaxInt, now, free)
}

// takeUpTo takes up to n batches.
func (s *schedule) takeUpTo(n int, now time.Time, free int) (out []*batch) {
	for len(out) < n {
		b, _ := s.nextBatch(now, free)
		if b == nil {
			return out
		}
		out = append(out, b)
	}
	return out
}

// TestScheduleWait: a batch that is not full waits for more texts until its
// oldest request has waited for batchWait.
func TestScheduleWait(t *testing.T) {
	at := func(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	s := newSchedule(100, 1, 5*time.Millisecond)
	check := func(now int, want string, next time.Time) {
		t.Helper()
		b, got := s.nextBatch(at(now), 1)
		if b.String() != want || !got.Equal(next) {
			t.Errorf("at %d: %v, then %v; want %s, then %v", now, b, got, want, next)
		}
	}
	check(0, "none", time.Time{})
	s.add(ask("a", 100, 10), at(0))
	s.add(ask("b", 90, 10), at(2))
	check(2, "none", at(5))
	s.add(ask("a", 80, 10), at(3))
	check(4, "none", at(5))
	check(5, "a 80[0:1] 100[0:1]", time.Time{})
	check(5, "none", at(7))
	s.add(ask("a", 70, 60, 60), at(6)) // more than a batch: the first is full
	check(6, "a 70[0:1]", time.Time{})
	check(6, "none", at(7))
	check(7, "b 90[0:1]", time.Time{})
	check(11, "a 70[1:2]", time.Time{})
	// Tasks that share fill a batch together, and those that are not ready yet go with
	// one that is.
	s.add(share("c", 100, 40), at(20))
	check(20, "none", at(25))
	s.add(share("d", 90, 40), at(21))
	check(21, "none", at(25))
	s.add(share("e", 80, 40), at(22))
	check(22, "e 80[0:1] d 90[0:1]", time.Time{})
	s.add(share("f", 110, 10), at(23))
	check(25, "c 100[0:1] f 110[0:1]", time.Time{})
}

func TestScheduleInterrupt(t *testing.T) {
	for _, c := range []struct {
		name    string
		running []int // texts of the running batch, of task a
		waiting []*Request
		want    string
	}{
		{"a small batch", []int{100}, []*Request{ask("b", 10, 10)}, "b 10[0:1]"},
		{"two requests of a task", []int{100}, []*Request{ask("b", 10, 10), ask("b", 20, 10)}, "b 10[0:1] 20[0:1]"},
		{"a task with too many tokens", []int{100}, []*Request{ask("b", 10, 10), ask("b", 20, 20)}, "none"},
		{"the same task", []int{100}, []*Request{ask("a", 10, 10)}, "none"},
		{"the earlier deadline of two tasks", []int{100}, []*Request{ask("b", 20, 10), ask("c", 10, 10)}, "c 10[0:1]"},
		{"a large one does not hide a small one", []int{100}, []*Request{ask("b", 10, 90), ask("c", 20, 10)}, "c 20[0:1]"},
		{"small batches are not interrupted", []int{30}, []*Request{ask("b", 10, 10)}, "none"},
		{"a flood is interrupted by a task that could share its batch", []int{100}, []*Request{share("b", 10, 10)}, "b 10[0:1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSchedule(100, 1, 0)
			r := ask("a", 0, c.running...)
			r.Shares = c.waiting[0].Shares
			s.add(r, epoch)
			running, _ := s.nextBatch(epoch, 1)
			for _, r := range c.waiting {
				s.add(r, epoch)
			}
			if got := s.interruptingBatch(epoch, running); got.String() != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
		})
	}
	t.Run("a batch of many tasks is not interrupted by one more", func(t *testing.T) {
		s := newSchedule(100, 1, 0)
		for i := range 5 {
			s.add(share(fmt.Sprint(i), 0, 20), epoch)
		}
		running, _ := s.nextBatch(epoch, 1)
		s.add(share("b", 2, 5), epoch)
		if got := s.interruptingBatch(epoch, running); got != nil {
			t.Errorf("%v interrupts %v", got, running)
		}
	})
	t.Run("a batch is not interrupted because one of its many tasks had more before", func(t *testing.T) {
		s := newSchedule(100, 1, 0)
		s.add(share("popular", 0, 100), epoch)
		s.nextBatch(epoch, 1)
		for i := range 5 {
			s.add(share(fmt.Sprint(i), 0, 16), epoch)
		}
		s.add(share("popular", 1, 20), epoch)
		running, _ := s.nextBatch(epoch, 1)
		s.add(share("b", 2, 5), epoch)
		if got := s.interruptingBatch(epoch, running); got != nil {
			t.Errorf("%v interrupts %v", got, running)
		}
	})
	t.Run("a task with a higher tag than the running one waits", func(t *testing.T) {
		s := newSchedule(100, 2, 0)
		s.add(ask("b", 0, 80), epoch)
		s.add(ask("a", 1, 40), epoch)
		s.takeUpTo(1, epoch, 1)
		running, _ := s.nextBatch(epoch, 1)
		s.add(ask("b", 2, 5), epoch)
		if got := s.interruptingBatch(epoch, running); got != nil {
			t.Errorf("%v interrupts %v", got, running)
		}
	})
}

// TestScheduleProperties plays random events. Always, a batch holds texts of one
// task, or of tasks that share, within its bound; every text is computed once, or its request has an
// error; and the counts are those of the waiting requests.
func TestScheduleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxTokens := rapid.IntRange(1, 60).Draw(t, "max tokens")
		s := newSchedule(maxTokens, 2, time.Duration(rapid.IntRange(0, 3).Draw(t, "wait"))*time.Millisecond)
		s.minSplitTokens = rapid.IntRange(0, maxTokens).Draw(t, "min split tokens")
		now := epoch
		var requests []*Request
		computed := map[*Request][]int{}
		cancels := map[*Request]context.CancelFunc{}
		var running []*batch
		begin := func(b *batch, bound int) {
			if b == nil {
				return
			}
			tokens, texts := 0, 0
			tasks := map[TaskHandle]bool{}
			for i, p := range b.parts {
				if before := tasks[p.request.Task]; before != (i > 0 && p.request.Task == b.parts[i-1].request.Task) {
					t.Fatalf("the texts of task %v do not lie together in %v", p.request.Task, b)
				}
				tasks[p.request.Task] = true
				if p.request.Shares != b.parts[0].request.Shares || len(tasks) > 1 && !p.request.Shares {
					t.Fatalf("tasks that do not share have texts in one batch: %v", b)
				}
				for i := p.first; i < p.end; i++ {
					computed[p.request] = append(computed[p.request], i)
				}
				texts += p.end - p.first
				tokens += p.request.textStart(p.end) - p.request.textStart(p.first)
			}
			if tokens != b.tokens || texts != b.texts || texts == 0 {
				t.Fatalf("a batch of %d texts and %d tokens counts %d and %d", texts, tokens, b.texts, b.tokens)
			}
			if tokens > bound && texts > 1 {
				t.Fatalf("a batch of %d tokens, the bound is %d", tokens, bound)
			}
			running = append(running, b)
		}
		finish := func(i int, err error) {
			s.finish(running[i], now, time.Millisecond, err)
			running = slices.Delete(running, i, i+1)
		}
		failed := errors.New("failed")
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "task")
				r := ask(name, rapid.IntRange(0, 50).Draw(t, "due"),
					rapid.SliceOfN(rapid.IntRange(1, 30), 1, 6).Draw(t, "texts")...)
				r.Context, cancels[r] = context.WithCancel(context.Background())
				r.Shares = name > "b"
				r.Continued = rapid.Bool().Draw(t, "continued")
				requests = append(requests, r)
				s.add(r, now)
			},
			"next": func(t *rapid.T) {
				b, at := s.nextBatch(now, rapid.IntRange(1, 2).Draw(t, "free"))
				if b != nil && !at.IsZero() || !at.IsZero() && !at.After(now) {
					t.Fatalf("batch %v, next ready at %v, now %v", b, at, now)
				}
				if b == nil && at.IsZero() && s.waitingTokens > 0 {
					t.Fatal("no batch and no time for the next one, although texts wait")
				}
				begin(b, maxTokens)
			},
			"interrupt": func(t *rapid.T) {
				if len(running) > 0 {
					large := running[rapid.IntRange(0, len(running)-1).Draw(t, "running")]
					begin(s.interruptingBatch(now, large), large.tokens/interruptShare)
				}
			},
			"finish": func(t *rapid.T) {
				if len(running) > 0 {
					finish(rapid.IntRange(0, len(running)-1).Draw(t, "batch"), rapid.SampledFrom([]error{nil, nil, failed}).Draw(t, "error"))
				}
			},
			"cancel": func(t *rapid.T) {
				if len(requests) > 0 {
					cancels[requests[rapid.IntRange(0, len(requests)-1).Draw(t, "request")]]()
				}
			},
			"drop": func(t *rapid.T) {
				if len(requests) > 0 {
					s.drop(requests[rapid.IntRange(0, len(requests)-1).Draw(t, "request")], context.Canceled)
				}
			},
			"clock": func(t *rapid.T) { now = now.Add(time.Millisecond) },
			"": func(t *rapid.T) {
				tokens, sharing, calls := 0, 0, 0
				queues := map[TaskHandle]bool{}
				for _, r := range requests {
					if r.nextText < len(r.Texts.Ends) {
						tokens += r.waitingTokens()
						if r.Shares {
							sharing += r.waitingTokens()
						}
						queues[r.Task] = true
						if !r.Continued {
							calls++
						}
					}
				}
				if s.sharingTokens != sharing {
					t.Fatalf("%d tokens of tasks that share; counted %d", s.sharingTokens, sharing)
				}
				if s.waitingTokens != tokens || s.waitingRequests != calls || len(s.queues) != len(queues) || len(s.byTask) != len(queues) {
					t.Fatalf("%d tokens, %d calls, %d and %d queues; counted %d, %d, %d", s.waitingTokens, s.waitingRequests, len(s.queues), len(s.byTask), tokens, calls, len(queues))
				}
			},
		})
		s.batchWait = 0
		for b, _ := s.nextBatch(now, 1); b != nil; b, _ = s.nextBatch(now, 1) {
			begin(b, maxTokens)
		}
		for len(running) > 0 {
			finish(0, nil)
		}
		for _, r := range requests {
			select {
			case <-r.done:
			default:
				t.Fatalf("request %d is not done", r.arrivalOrder)
			}
			sort.Ints(computed[r])
			for i, text := range computed[r] {
				if i != text {
					t.Fatalf("request %d computed texts %v", r.arrivalOrder, computed[r])
				}
			}
			if len(computed[r]) != len(r.Texts.Ends) && r.err == nil {
				t.Fatalf("request %d computed %d of %d texts and has no error", r.arrivalOrder, len(computed[r]), len(r.Texts.Ends))
			}
			cancels[r]()
		}
	})
}

// TestScheduleShares: of tasks that always have texts waiting, of any size, none
// receives more than another by more than two batches.
func TestScheduleShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const maxTokens = 100
		s := newSchedule(maxTokens, 1, 0)
		s.secondsPerToken = rapid.SampledFrom([]float64{0, 0.001, 1}).Draw(t, "per token")
		served := map[string]int{"a": 0, "b": 0, "c": 0}
		sizes := map[string][]int{}
		for name := range served {
			sizes[name] = rapid.SliceOfN(rapid.IntRange(1, maxTokens), 1, 5).Draw(t, "sizes of "+name)
		}
		shares := rapid.IntRange(0, 3).Draw(t, "tasks that share")
		dues := rapid.SliceOfN(rapid.IntRange(0, 100), 3, 3).Draw(t, "due")
		for range 200 {
			for i, name := range []string{"a", "b", "c"} {
				for s.byTask[fakeTask(name)] == nil || s.byTask[fakeTask(name)].waitingTokens < 2*maxTokens {
					r := ask(name, dues[i], sizes[name]...)
					r.Shares = i < shares
					s.add(r, epoch)
				}
			}
			b, _ := s.nextBatch(epoch, 1)
			for _, p := range b.parts {
				served[p.request.Name] += p.request.textStart(p.end) - p.request.textStart(p.first)
			}
			for a, x := range served {
				for b, y := range served {
					if x-y > 2*maxTokens {
						t.Fatalf("task %s has received %d tokens, task %s %d", a, x, b, y)
					}
				}
			}
		}
	})
}
