package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// tally counts how often each part ran, and fails if two parts use a slot at once.
type tally struct {
	t     *testing.T
	parts []atomic.Int32
	busy  []atomic.Bool
}

func (w *tally) Do(part, slot int) {
	if w.busy[slot].Swap(true) {
		w.t.Errorf("slot %d used by two parts at once", slot)
	}
	w.parts[part].Add(1)
	w.busy[slot].Store(false)
}

func TestPoolRunsEachPartOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, width := range []int{0, 1, 2, 5} {
		p := NewPool(width)
		if want := max(width, 1); p.Width() != want {
			t.Errorf("a pool of %d has width %d, want %d", width, p.Width(), want)
		}
		var wg sync.WaitGroup
		for caller := range 4 {
			wg.Go(func() {
				for parts := range 200 {
					w := &tally{t: t, parts: make([]atomic.Int32, parts), busy: make([]atomic.Bool, p.Width())}
					p.Run(parts, w)
					for i := range w.parts {
						if n := w.parts[i].Load(); n != 1 {
							t.Errorf("width %d, caller %d: part %d of %d ran %d times", width, caller, i, parts, n)
						}
					}
				}
			})
		}
		wg.Wait()
		p.Close()
	}
}

func TestNilPool(t *testing.T) {
	var p *Pool
	w := &tally{t: t, parts: make([]atomic.Int32, 9), busy: make([]atomic.Bool, 1)}
	p.Run(9, w)
	for i := range w.parts {
		if w.parts[i].Load() != 1 {
			t.Errorf("part %d ran %d times", i, w.parts[i].Load())
		}
	}
	if p.Width() != 1 {
		t.Errorf("width %d", p.Width())
	}
	p.Close()
}

// pair is a work of two parts that end only when both have begun.
type pair struct{ begun sync.WaitGroup }

func (w *pair) Do(_, _ int) {
	w.begun.Done()
	w.begun.Wait()
}

func TestPoolWorkersHelp(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	for range 100 {
		w := &pair{}
		w.begun.Add(2)
		p.Run(2, w)
	}
}

// broken panics in one of its parts.
type broken struct{ at int }

func (w broken) Do(part, _ int) {
	if part == w.at {
		panic(w.at)
	}
}

// A panic in a part, on any goroutine, is a panic of Run, and the pool can be used after
// it.
func TestPoolRepeatsPanics(t *testing.T) {
	defer goleak.VerifyNone(t)
	p := NewPool(3)
	defer p.Close()
	for at := range 100 {
		func() {
			defer func() {
				if got := recover(); got != at {
					t.Errorf("recovered %v, want %d", got, at)
				}
			}()
			p.Run(100, broken{at})
		}()
		w := &tally{t: t, parts: make([]atomic.Int32, 20), busy: make([]atomic.Bool, p.Width())}
		p.Run(20, w)
		for i := range w.parts {
			if n := w.parts[i].Load(); n != 1 {
				t.Fatalf("after a panic: part %d ran %d times", i, n)
			}
		}
	}
}

// handover is a work whose first part waits until another goroutine has performed the
// others, and then says that the helper is wanted elsewhere.
type handover struct {
	left   atomic.Int64
	wanted atomic.Bool
}

func (w *handover) Do(part, _ int) {
	if part > 0 {
		w.left.Add(-1)
		return
	}
	for w.left.Load() > 0 {
		runtime.Gosched()
	}
	w.wanted.Store(true)
}

// A goroutine helps an open pool until it is wanted elsewhere, whether it sleeps at the
// beginning or at the end.
func TestPoolHelp(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, asleep := range []bool{false, true} {
		p := NewOpenPool(2)
		w := &handover{}
		w.left.Store(9)
		helped := make(chan struct{})
		go func() {
			p.Help(w.wanted.Load)
			close(helped)
		}()
		sleeps := func() {
			for p.sleepers.Load() == 0 {
				runtime.Gosched()
			}
		}
		if asleep {
			sleeps()
		}
		p.Run(10, w)
		if asleep {
			p.Wake(1)
		}
		for done := false; !done; {
			select {
			case <-helped:
				done = true
			default:
				p.Wake(1) // it may have gone to sleep before it was wanted
				runtime.Gosched()
			}
		}
	}
}

// Without work all helpers sleep.
func TestPoolSleeps(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	for range 3 {
		for p.sleepers.Load() < 3 {
			runtime.Gosched()
		}
		p.Run(8, broken{-1})
	}
}
