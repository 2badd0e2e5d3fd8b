package gemm

import (
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// tally counts how often each part ran and refuses slots used twice at once.
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
			t.Errorf("width %d of a pool of %d", p.Width(), width)
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

func TestNilPoolRunsHere(t *testing.T) {
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

// pair waits until two parts have begun, so it ends only if both run at once.
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
