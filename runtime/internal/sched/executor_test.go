package sched

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kenserve/models"
	"kenserve/runtime/internal/failure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNetwork computes two logits of a text: the sum of its ids and their number.
// It calls before, if set, at the beginning of each pass.
type fakeNetwork struct {
	before func(w *models.Workspace, b *models.Batch) error
	passes atomic.Int64
	users  atomic.Int64
}

func (n *fakeNetwork) Use() (models.Network, func()) {
	n.users.Add(1)
	return n, func() { n.users.Add(-1) }
}

func (n *fakeNetwork) Labels() int                  { return 2 }
func (n *fakeNetwork) Weights() *models.TaskWeights { return nil }

func (n *fakeNetwork) Forward(w *models.Workspace, b *models.Batch, logits []float32) error {
	n.passes.Add(1)
	networks := []*fakeNetwork{n}
	for _, s := range b.Segments {
		if other := s.Network.(*fakeNetwork); other != n {
			networks = append(networks, other)
		}
	}
	for _, n := range networks {
		if n.before != nil {
			if err := n.before(w, b); err != nil {
				return err
			}
		}
	}
	if len(logits) != 2*len(b.Ends) || len(b.IDs) != b.Ends[len(b.Ends)-1] {
		return fmt.Errorf("%d logits, %d ids, ends %v", len(logits), len(b.IDs), b.Ends)
	}
	start := 0
	for i, end := range b.Ends {
		logits[2*i], logits[2*i+1] = sum(b.IDs[start:end]), float32(end-start)
		start = end
	}
	return nil
}

func sum(ids []int32) float32 {
	s := int32(0)
	for _, id := range ids {
		s += id
	}
	return float32(s)
}

// blocking is a network with one label. It sends its workspace to begun when a
// pass begins, and the pass ends when end is closed.
type blocking struct {
	begun chan *models.Workspace
	end   chan struct{}
}

func newBlocking() *blocking {
	return &blocking{make(chan *models.Workspace, 8), make(chan struct{})}
}
func (n *blocking) Use() (models.Network, func()) { return n, func() {} }
func (n *blocking) Labels() int                   { return 1 }
func (n *blocking) Weights() *models.TaskWeights  { return nil }
func (n *blocking) Forward(w *models.Workspace, _ *models.Batch, _ []float32) error {
	n.begun <- w
	<-n.end
	return nil
}

// randomRequest makes a request of random texts with up to 20 tokens each.
func randomRequest(ctx context.Context, task TaskHandle, name string, rng *rand.Rand, texts int) *Request {
	r := &Request{Context: ctx, Task: task, Name: name, Logits: make([]float32, 2*texts), Deadline: time.Now().Add(time.Minute)}
	for range texts {
		for range 1 + rng.IntN(20) {
			r.Texts.IDs = append(r.Texts.IDs, rng.Int32N(1000))
			r.Texts.TypeIDs = append(r.Texts.TypeIDs, 0)
		}
		r.Texts.Ends = append(r.Texts.Ends, len(r.Texts.IDs))
	}
	return r
}

// check compares the logits of a computed request with its texts.
func (r *Request) check(t *testing.T) {
	t.Helper()
	for i, end := range r.Texts.Ends {
		ids := r.Texts.IDs[r.textStart(i):end]
		if got := [2]float32(r.Logits[2*i:]); got != [2]float32{sum(ids), float32(len(ids))} {
			t.Errorf("text %d of %d: %v, want %v and %d", i, len(r.Texts.Ends), got, sum(ids), len(ids))
		}
	}
	if r.Began.Before(r.Arrived) || r.Ended.Before(r.Began) {
		t.Errorf("arrived %v, began %v, ended %v", r.Arrived, r.Began, r.Ended)
	}
}

// newTestExecutor starts an executor with batches of 100 tokens, without bounds
// on what waits unless c has them.
func newTestExecutor(t *testing.T, cores int, c Config) *Executor {
	if c.BatchTokens == 0 {
		c.BatchTokens = 100
	}
	if c.MaxWaitingRequests == 0 {
		c.MaxWaitingRequests = 1 << 20
	}
	if c.MaxWaitingTokens == 0 {
		c.MaxWaitingTokens = 1 << 30
	}
	c.Cores = cores
	x := New(c)
	t.Cleanup(x.Close)
	return x
}

// TestExecutor: every text gets its own logits, whichever texts share its batch
// and however requests are split, and no network is in use at the end.
func TestExecutor(t *testing.T) {
	for _, cores := range []int{1, 2, 5} {
		for _, wait := range []time.Duration{0, time.Millisecond} {
			t.Run(fmt.Sprintf("%d cores, wait %v", cores, wait), func(t *testing.T) {
				x := newTestExecutor(t, cores, Config{BatchWait: wait})
				networks := make([]*fakeNetwork, 4)
				for i := range networks {
					networks[i] = &fakeNetwork{before: func(w *models.Workspace, _ *models.Batch) error {
						for range 3 {
							w.Run(0, nil, false) // a step
						}
						return nil
					}}
				}
				var wg sync.WaitGroup
				for caller := range 20 {
					wg.Go(func() {
						rng := rand.New(rand.NewPCG(uint64(caller), 1))
						for range 30 {
							i := rng.IntN(len(networks))
							r := randomRequest(context.Background(), networks[i], fmt.Sprint(i), rng, 1+rng.IntN(12))
							r.Shares = i > 0
							if err := x.Submit(r); err != nil {
								t.Error(err)
								continue
							}
							if err := x.Wait(r); err != nil {
								t.Error(err)
							}
							r.check(t)
						}
					})
				}
				wg.Wait()
				s := x.Stats()
				passes := int64(0)
				for _, n := range networks {
					passes += n.passes.Load()
					if n.users.Load() != 0 {
						t.Errorf("%d users left", n.users.Load())
					}
				}
				if s.Waiting != 0 || s.WaitingTokens != 0 || s.Batches != uint64(passes) || s.WorkspaceBytes == 0 {
					t.Errorf("after %d passes: %+v", passes, s)
				}
			})
		}
	}
}

// TestExecutorRefusedText: a batch that a network refuses fails the request at fault
// only; the others of the batch are computed.
func TestExecutorRefusedText(t *testing.T) {
	x := newTestExecutor(t, 1, Config{BatchWait: 50 * time.Millisecond, BatchTokens: 1000})
	network := &fakeNetwork{before: func(_ *models.Workspace, b *models.Batch) error {
		if slices.Contains(b.IDs, -1) {
			return fmt.Errorf("a negative id: %w", models.ErrBatch)
		}
		return nil
	}}
	rng := rand.New(rand.NewPCG(1, 1))
	var requests []*Request
	for i := range 5 {
		r := randomRequest(context.Background(), network, "task", rng, 3)
		if i == 2 {
			r.Texts.IDs[1] = -1
		}
		if err := x.Submit(r); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	for i, r := range requests {
		err := x.Wait(r)
		if (i == 2) != errors.Is(err, models.ErrBatch) {
			t.Errorf("request %d: %v", i, err)
		}
		if i != 2 {
			r.check(t)
		}
	}
	if network.users.Load() != 0 {
		t.Error("the network is still in use")
	}
}

// TestExecutorSharedFault: in a batch of several tasks, an error or a panic of one task
// fails the requests of that task only.
func TestExecutorSharedFault(t *testing.T) {
	for name, fault := range map[string]func(*models.Workspace, *models.Batch) error{
		"error": func(*models.Workspace, *models.Batch) error { return errors.New("broken") },
		"panic": func(*models.Workspace, *models.Batch) error { panic("fault") },
	} {
		t.Run(name, func(t *testing.T) {
			x := newTestExecutor(t, 1, Config{BatchWait: 50 * time.Millisecond, BatchTokens: 1000})
			networks := []*fakeNetwork{{}, {before: fault}, {}}
			rng := rand.New(rand.NewPCG(1, 1))
			var requests []*Request
			for i, n := range networks {
				r := randomRequest(context.Background(), n, fmt.Sprint(i), rng, 3)
				r.Shares = true
				if err := x.Submit(r); err != nil {
					t.Fatal(err)
				}
				requests = append(requests, r)
			}
			for i, r := range requests {
				if err := x.Wait(r); (err != nil) != (i == 1) {
					t.Errorf("request %d: %v", i, err)
				}
				if i != 1 {
					r.check(t)
				}
			}
			if s := x.Stats(); s.Batches != 1 {
				t.Errorf("%d batches, want 1", s.Batches)
			}
			for _, n := range networks {
				if n.users.Load() != 0 {
					t.Error("a network is still in use")
				}
			}
		})
	}
}

// TestExecutorFaults: an error or a panic, on any goroutine, fails its batch only.
func TestExecutorFaults(t *testing.T) {
	x := newTestExecutor(t, 2, Config{})
	broken := errors.New("broken")
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		name   string
		before func(w *models.Workspace, b *models.Batch) error
		want   string
	}{
		{"error", func(*models.Workspace, *models.Batch) error { return broken }, "broken"},
		{"panic", func(*models.Workspace, *models.Batch) error { panic("fault 1") }, "fault 1"},
		{"panic in a part", func(w *models.Workspace, _ *models.Batch) error {
			w.Run(64, faulty{}, true)
			return nil
		}, "fault 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad, good := &fakeNetwork{before: c.before}, &fakeNetwork{}
			for range 20 {
				r, other := randomRequest(context.Background(), bad, "bad", rng, 30), randomRequest(context.Background(), good, "good", rng, 3)
				if err := errors.Join(x.Submit(r), x.Submit(other)); err != nil {
					t.Fatal(err)
				}
				if err := x.Wait(r); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if err := x.Wait(other); err != nil {
					t.Error(err)
				}
				other.check(t)
			}
			if bad.users.Load() != 0 {
				t.Error("the network is still in use")
			}
		})
	}
}

// faulty is work of which part 63 panics.
type faulty struct{}

func (faulty) Do(part, _ int) {
	if part == 63 {
		panic("fault 2")
	}
}

// TestExecutorCancel: a request that is cancelled while it waits is not computed.
// Wait returns for one that is being computed when its batch has ended.
func TestExecutorCancel(t *testing.T) {
	x := newTestExecutor(t, 1, Config{})
	n := newBlocking()
	rng := rand.New(rand.NewPCG(1, 1))
	ctx, cancel := context.WithCancel(context.Background())
	long, waits, stays := randomRequest(ctx, n, "long", rng, 1), &fakeNetwork{}, &fakeNetwork{}
	if err := x.Submit(long); err != nil {
		t.Fatal(err)
	}
	<-n.begun
	waiting := randomRequest(ctx, waits, "waits", rng, 3)
	staying := randomRequest(context.Background(), stays, "stays", rng, 3)
	if err := errors.Join(x.Submit(waiting), x.Submit(staying)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := x.Wait(waiting); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	if s := x.Stats(); s.Waiting != 1 {
		t.Errorf("%d waiting, want 1", s.Waiting)
	}
	ended := make(chan error)
	go func() { ended <- x.Wait(long) }()
	select {
	case err := <-ended:
		t.Errorf("Wait returned while the network computed: %v", err)
	case <-time.After(5 * time.Millisecond):
	}
	close(n.end)
	if err := <-ended; err != nil {
		t.Errorf("the request that was being computed: %v", err)
	}
	if err := x.Wait(staying); err != nil {
		t.Error(err)
	}
	if waits.passes.Load() != 0 {
		t.Error("the cancelled request was computed")
	}
	if err := x.Submit(randomRequest(ctx, waits, "waits", rng, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("submitted after the end of its context: %v", err)
	}
}

// TestExecutorInterrupts: a small batch is computed in the middle of a large one
// if no other worker is free.
func TestExecutorInterrupts(t *testing.T) {
	x := newTestExecutor(t, 1, Config{BatchTokens: 1000})
	rng := rand.New(rand.NewPCG(1, 1))
	large, small := newBlocking(), &fakeNetwork{}
	long := randomRequest(context.Background(), large, "long", rng, 100)
	if err := x.Submit(long); err != nil {
		t.Fatal(err)
	}
	w := <-large.begun // the worker is blocked, so this goroutine calls its hook
	for range 3 {
		r := randomRequest(context.Background(), small, "small", rng, 2)
		if err := x.Submit(r); err != nil {
			t.Fatal(err)
		}
		w.Between()
		select {
		case <-r.done:
		default:
			t.Fatal("the small batch was not computed between two steps")
		}
		if err := x.Wait(r); err != nil {
			t.Error(err)
		}
		r.check(t)
	}
	close(large.end)
	if err := x.Wait(long); err != nil {
		t.Error(err)
	}
}

// TestExecutorShares: a worker without a batch takes parts of another one's.
func TestExecutorShares(t *testing.T) {
	x := newTestExecutor(t, 2, Config{})
	rng := rand.New(rand.NewPCG(1, 1))
	n := &fakeNetwork{before: func(w *models.Workspace, _ *models.Batch) error {
		both := &pair{}
		both.begun.Add(2)
		w.Run(2, both, true)
		return nil
	}}
	for range 50 {
		r := randomRequest(context.Background(), n, "n", rng, 1)
		if err := x.Submit(r); err != nil {
			t.Fatal(err)
		}
		if err := x.Wait(r); err != nil {
			t.Fatal(err)
		}
	}
}

// pair is work of two parts, each of which ends when both have begun.
type pair struct{ begun sync.WaitGroup }

func (w *pair) Do(int, int) {
	w.begun.Done()
	w.begun.Wait()
}

// TestExecutorDrains: Close computes every admitted request before it returns,
// also those whose batch waits for more texts, and no request is admitted later.
func TestExecutorDrains(t *testing.T) {
	x := New(Config{Cores: 2, BatchTokens: 100, MaxWaitingRequests: 1000, MaxWaitingTokens: 1 << 20, BatchWait: time.Hour})
	rng := rand.New(rand.NewPCG(1, 1))
	n := &fakeNetwork{}
	var requests []*Request
	for range 20 {
		r := randomRequest(context.Background(), n, "n", rng, 1)
		r.Texts = models.Batch{IDs: r.Texts.IDs[:1], TypeIDs: r.Texts.TypeIDs[:1], Ends: []int{1}}
		if err := x.Submit(r); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	if n.passes.Load() != 0 {
		t.Error("a batch that is not full was computed before its wait")
	}
	x.Close()
	for _, r := range requests {
		if err := x.Wait(r); err != nil {
			t.Error(err)
		}
		r.check(t)
	}
	if err := x.Submit(randomRequest(context.Background(), n, "n", rng, 1)); !errors.Is(err, failure.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}
