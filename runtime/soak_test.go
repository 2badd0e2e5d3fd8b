package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
)

// soakVariable names the environment variable that sets the duration of TestSoak,
// which is a second without it:
//
//	KENSERVE_SOAK=10m go test -race -run TestSoak -timeout 20m ./runtime
const soakVariable = "KENSERVE_SOAK"

// TestSoak has clients that classify, load, unload, put, copy, remove and cancel at
// random, an operator who replaces, damages and removes files of the store, and
// memory for a few of the tasks. The scores of every request are those of one of
// the deltas, computed alone; every error is one that the situation allows; memory
// stays within its budget; and the base does not change. TestMain checks that no
// goroutine is left.
func TestSoak(t *testing.T) {
	duration := time.Second
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		duration, err = time.ParseDuration(text)
		must(t, err)
	}
	const kinds = 4
	f := newFixture(t, kinds, sparseOptions)
	inputs := texts(6, 3)
	var contents [][]byte
	want := map[int][][]float32{} // by number of labels, which tells the deltas apart
	for i := range kinds {
		name := fmt.Sprintf("t%d", i)
		contents = append(contents, f.read(t, name))
		want[len(f.labels[i])] = f.scoresAlone(t, name, inputs)
		must(t, os.Remove(filepath.Join(f.store, name+delta.Extension)))
	}
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("s%d", i))
		f.write(t, names[i], contents[i%kinds])
	}
	probe := filepath.Join(f.store, "t0.ken")
	must(t, os.WriteFile(probe, contents[0], 0o644))
	warm, hot := f.sizes(t, "t0")
	must(t, os.Remove(probe))

	budget := 2*hot + 6*warm
	e := f.open(t, Config{Budget: budget, BatchTokens: 40, Watch: 5 * time.Millisecond, RetryAfter: 5 * time.Millisecond, Pin: []string{"s0"}})
	defer e.Close()
	panels := packedWeights(e.base)

	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var mu sync.Mutex
	done := map[string]int{} // by operation and result
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		done[what]++
	}
	// allowed checks that an error is one of also, or that of a task that is missing
	// or damaged, which may happen at any time.
	allowed := func(what string, err error, also ...error) {
		for _, ok := range append(also, ErrNoTask, ErrTaskUnusable) {
			if errors.Is(err, ok) {
				count(what + ": " + ok.Error())
				return
			}
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else {
			count(what)
		}
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		rng := rand.New(rand.NewPCG(uint64(worker), 77))
		wg.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				// Some tasks have more requests than others.
				name := names[min(rng.IntN(len(names)), rng.IntN(len(names)))]
				switch n := rng.IntN(100); {
				case n < 70:
					first := rng.IntN(len(inputs))
					last := first + 1 + rng.IntN(len(inputs)-first)
					r, err := e.Classify(context.Background(), name, inputs[first:last], Options{Raw: true})
					if err == nil && !cmp.Equal(r.Scores, want[len(r.Labels)][first:last]) {
						t.Errorf("task %s: scores are %v, alone %v", name, r.Scores, want[len(r.Labels)][first:last])
					}
					allowed("classify", err, ErrBusy)
				case n < 80:
					cancelled, stop := context.WithTimeout(context.Background(), time.Duration(rng.IntN(2000))*time.Microsecond)
					_, err := e.Classify(cancelled, name, inputs, Options{})
					stop()
					allowed("cancel", err, context.DeadlineExceeded, ErrBusy)
				case n < 84:
					allowed("load", e.Load(context.Background(), name))
				case n < 90:
					allowed("unload", e.Unload(context.Background(), name))
				case n < 94:
					content := contents[rng.IntN(kinds)]
					if rng.IntN(4) == 0 {
						content = damaged(content, rng)
					}
					_, err := e.Put(context.Background(), name, bytes.NewReader(content), int64(len(content)))
					allowed("put", err)
				case n < 96:
					_, err := e.Copy(context.Background(), name, names[rng.IntN(len(names))])
					allowed("copy", err)
				case n < 97:
					allowed("remove", e.Remove(context.Background(), name))
				default:
					e.Stats()
					_, err := e.Tasks()
					allowed("list", err)
				}
			}
		})
	}
	wg.Go(func() { // the operator
		rng := rand.New(rand.NewPCG(99, 77))
		spare := filepath.Join(t.TempDir(), "spare")
		for ctx.Err() == nil && !t.Failed() {
			path := filepath.Join(f.store, names[rng.IntN(len(names))]+delta.Extension)
			content := contents[rng.IntN(kinds)]
			switch rng.IntN(4) {
			case 0: // overwrite the old file in place
				_ = os.WriteFile(path, content, 0o644)
			case 1:
				_ = os.WriteFile(path, damaged(content, rng), 0o644)
			case 2:
				if err := errors.Join(os.WriteFile(spare, content, 0o644), os.Rename(spare, path)); err != nil {
					t.Error(err)
				}
			case 3:
				_ = os.Remove(path)
			}
			count("operator")
			time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
		}
	})
	wg.Go(func() { // checks of the budget
		for ctx.Err() == nil && !t.Failed() {
			if s := e.Stats(); s.TaskBytes > s.BudgetBytes || s.TaskBytes < s.HotBytes || s.HotBytes < 0 {
				t.Errorf("%d bytes of tasks, %d of them hot, the budget is %d", s.TaskBytes, s.HotBytes, s.BudgetBytes)
			}
			time.Sleep(100 * time.Microsecond)
		}
	})
	wg.Wait()
	t.Log(done)
	s := e.Stats()
	t.Logf("%+v", s)
	if done["classify"] == 0 || s.Loads == 0 {
		t.Error("no request succeeded, or no task was loaded")
	}
	// When all tasks are unloaded, no bytes are used.
	until(t, "loads and replacements have ended", func() bool {
		for _, name := range names {
			e.loader.Unload(name)
		}
		s := e.Stats()
		return s.TaskBytes == 0 && s.HotBytes == 0 && s.LoadsWaiting == 0
	})
	if got := delta.Fingerprint(e.base.Checkpoint); got != e.base.Fingerprint {
		t.Errorf("the base's fingerprint has changed to %s", got)
	}
	if !bytes.Equal(panels, packedWeights(e.base)) {
		t.Error("the base's panels have changed")
	}
}

// scoresAlone returns a task's logits, each text alone, from an engine with one
// worker that does nothing else.
func (f *fixture) scoresAlone(t *testing.T, name string, inputs []Input) [][]float32 {
	t.Helper()
	e := f.open(t, Config{Workers: 1, BatchTokens: 1})
	defer e.Close()
	var out [][]float32
	for _, input := range inputs {
		r, err := e.Classify(context.Background(), name, []Input{input}, Options{Raw: true})
		must(t, err)
		out = append(out, r.Scores[0])
	}
	return out
}

// damaged returns a copy of a delta that is cut off or has one byte changed.
func damaged(content []byte, rng *rand.Rand) []byte {
	out := bytes.Clone(content)
	if rng.IntN(2) == 0 {
		return out[:rng.IntN(len(out))]
	}
	out[rng.IntN(len(out))] ^= byte(1 + rng.IntN(255))
	return out
}
