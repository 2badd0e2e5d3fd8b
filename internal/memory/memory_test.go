package memory

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestTake(t *testing.T) {
	const limit = 8 << 20 // of which 1 MiB is for small requests
	type take struct {
		kind  Kind
		bytes int64
		full  bool // is refused
		never bool
	}
	for _, c := range []struct {
		name  string
		other int64 // taken by other requests before
		takes []take
	}{
		{"a small request in an empty account", 0, []take{{Bodies, 1000, false, false}}},
		{"a large request takes all but the reserved part", 0, []take{{Bodies, 7 << 20, false, false}, {Answers, 1, true, true}}},
		{"a request that never fits", 0, []take{{Answers, 9 << 20, true, true}}},
		{"one that fits later", 6 << 20, []take{{Answers, 2 << 20, true, false}}},
		{"a small request takes the reserved part", 7 << 20, []take{{Bodies, 1000, false, false}, {Copies, 2000, false, false}}},
		{"a request that grows large does not", 7 << 20, []take{{Bodies, smallBytes, false, false}, {Bodies, 1, true, false}}},
		{"the last byte", limit - limit/connectionShare - 1000, []take{{Bodies, 1000, false, false}, {Bodies, 1, true, false}, {Connections, 1000, false, false}}},
		{"the last byte of connections", limit - 1000, []take{{Connections, 1000, false, false}, {Connections, 1, true, false}}},
		{"a kind with a bound of its own", 0, []take{{Tokens, 5000, true, true}, {Tokens, 3000, false, false}, {Tokens, 2000, true, false}, {Scores, 2000, false, false}}},
	} {
		a := New(limit)
		a.Bound(Tokens, 4096)
		if c.other > 0 {
			if err := a.takeLocked(Connections, c.other, 1); err != nil {
				t.Fatal(err)
			}
		}
		l := a.Open()
		for i, take := range c.takes {
			err := l.Take(take.kind, take.bytes)
			full, ok := errors.AsType[*FullError](err)
			if ok != take.full || ok && full.Never != take.never {
				t.Errorf("%s: take %d: %v", c.name, i, err)
			}
		}
		l.Close()
		if used := a.Used(); used != c.other {
			t.Errorf("%s: %d bytes are taken at the end, want %d", c.name, used, c.other)
		}
		for _, u := range a.Usage() {
			if u.Kind != Connections && u.Used != 0 {
				t.Errorf("%s: %d bytes of %s at the end", c.name, u.Used, u.Kind)
			}
		}
	}
}

// A closed loan takes nothing more, and gives nothing back twice.
func TestClosedLoan(t *testing.T) {
	a := New(1 << 20)
	l := a.Open()
	if err := l.Take(Bodies, 100); err != nil {
		t.Fatal(err)
	}
	l.Give(Bodies, 300) // more than it has
	l.Close()
	l.Close()
	if err := l.Take(Bodies, 1); err == nil {
		t.Error("a closed loan takes bytes")
	}
	l.Give(Bodies, 100)
	if a.Used() != 0 {
		t.Errorf("%d bytes are taken", a.Used())
	}
	var none *Loan
	if none.Take(Bodies, 1<<60) != nil || none.Taken(Bodies) != 0 {
		t.Error("a nil loan refuses or counts")
	}
	none.Give(Bodies, 1)
	none.Close()
}

// Whatever requests do at the same time, the account is within its limit and empty at
// the end.
func TestManyLoans(t *testing.T) {
	a := New(1 << 20)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for n := range 200 {
				l := a.Open()
				for k := range kinds {
					_ = l.Take(k, int64(1+(i*7919+n*104729)%(200<<10)))
				}
				if used := a.Used(); used > a.Limit() {
					t.Errorf("%d bytes are taken, the limit is %d", used, a.Limit())
				}
				l.Give(Copies, 1000)
				l.Close()
			}
		})
	}
	all.Wait()
	if a.Used() != 0 {
		t.Errorf("%d bytes are taken at the end", a.Used())
	}
}

func TestLoanOf(t *testing.T) {
	l := New(1).Open()
	if LoanOf(WithLoan(context.Background(), l)) != l || LoanOf(context.Background()) != nil {
		t.Error("the context has another loan")
	}
}

// While the garbage collector is behind, large requests get nothing more.
func TestRefuseLargeWhile(t *testing.T) {
	a := New(8 << 20)
	behind := false
	a.RefuseLargeWhile(func() bool { return behind })
	large, small := a.Open(), a.Open()
	if err := large.Take(Bodies, 1<<20); err != nil {
		t.Fatal(err)
	}
	behind = true
	full, ok := errors.AsType[*FullError](large.Take(Bodies, 1))
	if !ok || full.Never {
		t.Errorf("a large request: %v", full)
	}
	if err := small.Take(Bodies, 1000); err != nil {
		t.Errorf("a small request: %v", err)
	}
}
