package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/ken"
)

var (
	// sparseOptions make deltas whose tasks share batches.
	sparseOptions = ken.Options{Selection: ken.LargestChange, Keep: 0.1, Coding: delta.Sign}
	// overlayOptions make deltas that are patched into panels: their hot networks are
	// much larger than the deltas.
	overlayOptions = ken.Options{Selection: ken.LargestChange, Keep: 0.2, Coding: delta.Sign}
)

// copies makes n tasks c0, c1, … with the delta of t0.
func (f *fixture) copies(t *testing.T, n int) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.store, "t0.ken"))
	must(t, err)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
		must(t, os.WriteFile(filepath.Join(f.store, names[i]+delta.Extension), text, 0o644))
	}
	return names
}

// sizes returns the bytes of a task when it is warm, and its further bytes when it
// is hot.
func (f *fixture) sizes(t *testing.T, name string) (warm, hot int64) {
	t.Helper()
	e := f.open(t, Config{})
	defer e.Close()
	h, err := e.loader.Acquire(context.Background(), name)
	must(t, err)
	defer h.Release()
	return e.describe(name).Bytes, taskOf(h).hotBytes
}

// scoresOf returns a task's logits of three inputs.
func scoresOf(t *testing.T, e *Engine, name string) [][]float32 {
	t.Helper()
	r, err := e.Classify(context.Background(), name, texts(3, 1), Options{Raw: true})
	must(t, err)
	return r.Scores
}

// until waits for an event in the background.
func until(t *testing.T, event string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("timeout: waiting until %s", event)
		}
	}
}

// tierOf returns the tier of a task.
func tierOf(e *Engine, name string) Residency { return e.describe(name).Residency }

// makeHot sends requests for a task until it is hot.
func makeHot(t *testing.T, e *Engine, name string) {
	t.Helper()
	until(t, name+" is hot", func() bool {
		scoresOf(t, e, name)
		return tierOf(e, name) == Hot
	})
}

// TestTiers: a task is cold at first, warm with the first request, and hot after
// some more. The least recently used task moves down, hot to warm to cold. Scores
// are the same in every tier.
func TestTiers(t *testing.T) {
	f := newFixture(t, 1, overlayOptions)
	names := f.copies(t, 3)
	warm, hot := f.sizes(t, "c0")
	budget := 2*(warm+hot) + warm/2 // for two hot tasks, or one hot and many warm ones
	e := f.open(t, Config{Budget: budget})
	defer e.Close()
	if r := tierOf(e, "c0"); r != Cold {
		t.Errorf("before the first request: %s", r)
	}
	want := scoresOf(t, e, "c0")
	if r := tierOf(e, "c0"); r != Warm {
		t.Errorf("after the first request: %s", r)
	}
	makeHot(t, e, "c0")
	makeHot(t, e, "c1")
	if diff := cmp.Diff(want, scoresOf(t, e, "c0")); diff != "" {
		t.Errorf("scores of the hot task: %s", diff)
	}
	s := e.Stats()
	if s.HotTasks != 2 || s.WarmTasks != 0 || s.TaskBytes != 2*(warm+hot) || s.HotBytes != 2*hot || s.Promotions != 2 || s.Demotions != 0 {
		t.Errorf("two hot tasks: %+v", s)
	}
	// A third task needs room: the less recently used hot task is demoted.
	if diff := cmp.Diff(want, scoresOf(t, e, "c2")); diff != "" {
		t.Errorf("scores of the copy: %s", diff)
	}
	for name, want := range map[string]Residency{"c0": Hot, "c1": Warm, "c2": Warm} {
		if got := tierOf(e, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if diff := cmp.Diff(want, scoresOf(t, e, "c1")); diff != "" {
		t.Errorf("scores after demotion: %s", diff)
	}
	must(t, e.Unload(context.Background(), names[0]))
	if s := e.Stats(); s.Resident != 2 || s.TaskBytes != 2*warm || s.HotTasks != 0 || s.HotBytes != 0 {
		t.Errorf("after unloading the hot one: %+v", s)
	}
}

// TestScan: requests for every task of a store, one after the other, leave hot
// tasks hot, although memory has no room for all tasks.
func TestScan(t *testing.T) {
	f := newFixture(t, 1, sparseOptions)
	names := f.copies(t, 60)
	warm, hot := f.sizes(t, "c0")
	e := f.open(t, Config{Budget: 2 * (3*(warm+hot) + warm)}) // twice the room of three hot tasks
	defer e.Close()
	popular := names[:3]
	for range 20 {
		for _, name := range popular {
			scoresOf(t, e, name)
		}
	}
	for _, name := range popular {
		makeHot(t, e, name)
	}
	for _, name := range names {
		scoresOf(t, e, name)
	}
	for _, name := range popular {
		if r := tierOf(e, name); r != Hot {
			t.Errorf("%s is %s after the scan", name, r)
		}
	}
	if s := e.Stats(); s.TaskBytes > s.BudgetBytes {
		t.Errorf("%d bytes of %d", s.TaskBytes, s.BudgetBytes)
	}
}

// gatedStore blocks fetches of a task that has a gate until the gate is closed.
type gatedStore struct {
	store.Store
	gates map[string]chan struct{}
}

func (s *gatedStore) Fetch(ctx context.Context, item store.Item) (store.File, error) {
	if gate := s.gates[item.Task]; gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return store.File{}, ctx.Err()
		}
	}
	return s.Store.Fetch(ctx, item)
}

// TestLoadDelaysNobody: while one task is being fetched, another task is served.
func TestLoadDelaysNobody(t *testing.T) {
	f := newFixture(t, 2, sparseOptions)
	gate := make(chan struct{})
	e, err := Open(context.Background(), Config{BaseDir: f.base, Store: &gatedStore{store.NewFolder(f.store), map[string]chan struct{}{"t1": gate}}, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer e.Close()
	scoresOf(t, e, "t0")
	loaded := make(chan error, 1)
	go func() {
		_, err := e.Classify(context.Background(), "t1", texts(1, 1), Options{})
		loaded <- err
	}()
	until(t, "the load begins", func() bool { return e.Stats().Misses == 2 })
	for range 20 {
		scoresOf(t, e, "t0")
	}
	select {
	case err := <-loaded:
		t.Fatalf("the load ended although its fetch is blocked: %v", err)
	default:
	}
	close(gate)
	must(t, <-loaded)
}

// TestPinAndPrefetch: pinned tasks are hot from the start and stay so, whatever the
// requests; other tasks are loaded at the start as far as there is room.
func TestPinAndPrefetch(t *testing.T) {
	f := newFixture(t, 1, sparseOptions)
	names := f.copies(t, 20)
	warm, hot := f.sizes(t, "c0")
	e := f.open(t, Config{Budget: hot + 6*warm, Pin: []string{"c5", "missing"}, PrefetchAll: true, Loads: 1})
	defer e.Close()
	until(t, "the pinned task is hot", func() bool { return tierOf(e, "c5") == Hot })
	until(t, "others are in memory", func() bool { return e.Stats().Resident >= 2 })
	for range 3 {
		for _, name := range names {
			scoresOf(t, e, name)
		}
	}
	if r := tierOf(e, "c5"); r != Hot {
		t.Errorf("the pinned task is %s", r)
	}
	if info, _ := e.Task("c5"); !info.Pinned {
		t.Error("TaskInfo.Pinned is false for the pinned task")
	}
	if s := e.Stats(); s.TaskBytes > s.BudgetBytes || s.Evictions == 0 {
		t.Errorf("%+v", s)
	}
	if _, err := e.Classify(context.Background(), "c1", texts(1, 1), Options{}); err != nil {
		t.Errorf("another task beside the pinned one: %v", err)
	}
}

// write replaces a task's file in one step.
func (f *fixture) write(t *testing.T, task string, content []byte) {
	t.Helper()
	temporary := filepath.Join(t.TempDir(), "new")
	must(t, os.WriteFile(temporary, content, 0o644))
	must(t, os.Rename(temporary, filepath.Join(f.store, task+delta.Extension)))
}

// read returns the content of a task's file.
func (f *fixture) read(t *testing.T, task string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(f.store, task+delta.Extension))
	must(t, err)
	return content
}

// TestWatch: new, replaced and removed files take effect. If the new file is
// damaged, the old delta stays in service, and the problem is reported.
func TestWatch(t *testing.T) {
	f := newFixture(t, 2, sparseOptions)
	first, second := f.read(t, "t0"), f.read(t, "t1")
	e := f.open(t, Config{Watch: time.Millisecond, RetryAfter: time.Hour})
	defer e.Close()
	makeHot(t, e, "t0")
	held, err := e.loader.Acquire(context.Background(), "t0") // a request in progress
	must(t, err)

	f.write(t, "t0", second)
	until(t, "the new delta is served", func() bool { return len(scoresOf(t, e, "t0")[0]) == 3 })
	network, done := held.Use()
	if network.Labels() != 2 {
		t.Errorf("a request in progress has a network of %d labels, want 2", network.Labels())
	}
	done()
	held.Release()

	f.write(t, "t0", second[:len(second)/2])
	until(t, "the damaged file is reported", func() bool {
		info, err := e.Task("t0")
		return err == nil && info.Problem != ""
	})
	if n := len(scoresOf(t, e, "t0")[0]); n != 3 {
		t.Errorf("%d labels beside a damaged file, want the 3 of the old delta", n)
	}
	f.write(t, "t0", first)
	until(t, "the next good file is served", func() bool { return len(scoresOf(t, e, "t0")[0]) == 2 })
	if info, _ := e.Task("t0"); info.Problem != "" {
		t.Errorf("the problem is still reported: %s", info.Problem)
	}

	if _, err := e.Classify(context.Background(), "late", texts(1, 1), Options{}); !errors.Is(err, ErrNoTask) {
		t.Fatal(err)
	}
	f.write(t, "late", first)
	until(t, "the new task is served", func() bool {
		_, err := e.Classify(context.Background(), "late", texts(1, 1), Options{})
		return err == nil
	})
	must(t, os.Remove(filepath.Join(f.store, "late.ken")))
	until(t, "the removed task is not served", func() bool {
		_, err := e.Classify(context.Background(), "late", texts(1, 1), Options{})
		return errors.Is(err, ErrNoTask)
	})

	must(t, os.Rename(f.store, f.store+".away"))
	until(t, "the engine is not ready without a store", func() bool { return e.Ready() != nil })
	scoresOf(t, e, "t0")
	must(t, os.Rename(f.store+".away", f.store))
	until(t, "the engine is ready again", func() bool { return e.Ready() == nil })
}

// readOnly is a store that cannot be written.
type readOnly struct{ store.Store }

// TestChange: Put, Copy and Remove take effect at once; a delta that cannot be
// served changes nothing.
func TestChange(t *testing.T) {
	f := newFixture(t, 2, sparseOptions)
	first, second := f.read(t, "t0"), f.read(t, "t1")
	other := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.1, Coding: delta.Int8})
	foreign := other.read(t, "t0")
	foreign = bytes.Replace(foreign, []byte(`"base_sha256":"`), []byte(`"base_sha256":"0`), 1)
	e := f.open(t, Config{})
	defer e.Close()
	ctx := context.Background()
	put := func(name string, content []byte, size int64) error {
		_, err := e.Put(ctx, name, bytes.NewReader(content), size)
		return err
	}

	must(t, put("new", first, int64(len(first))))
	makeHot(t, e, "new")
	must(t, put("new", second, -1))
	if n := len(scoresOf(t, e, "new")[0]); n != 3 {
		t.Errorf("%d labels after the change, want 3", n)
	}
	for what, test := range map[string]struct {
		content []byte
		size    int64
		want    error
	}{
		"cut off":            {first[:len(first)/2], -1, ErrTaskUnusable},
		"empty":              {nil, 0, ErrTaskUnusable},
		"of another base":    {foreign, -1, ErrTaskUnusable},
		"announced too long": {first, 1 << 40, ErrTaskUnusable},
		"shorter than said":  {first, int64(len(first)) + 1, nil},
	} {
		err := put("new", test.content, test.size)
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
		if n := len(scoresOf(t, e, "new")[0]); n != 3 {
			t.Errorf("%s: %d labels, want the 3 of the old delta", what, n)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := e.Put(cancelled, "new", bytes.NewReader(first), -1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
	if _, err := e.Copy(ctx, "copy", "t0"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(scoresOf(t, e, "t0"), scoresOf(t, e, "copy")); diff != "" {
		t.Error(diff)
	}
	if _, err := e.Copy(ctx, "copy", "none"); !errors.Is(err, ErrNoTask) {
		t.Errorf("copy of a task that does not exist: %v", err)
	}
	must(t, e.Remove(ctx, "copy"))
	if _, err := e.Classify(ctx, "copy", texts(1, 1), Options{}); !errors.Is(err, ErrNoTask) {
		t.Errorf("removed: %v", err)
	}
	if err := e.Remove(ctx, "copy"); !errors.Is(err, ErrNoTask) {
		t.Errorf("removed twice: %v", err)
	}
	must(t, e.Load(ctx, "t0"))
	must(t, e.Unload(ctx, "t0"))
	must(t, e.Unload(ctx, "t0"))
	if r := tierOf(e, "t0"); r != Cold {
		t.Errorf("unloaded: %s", r)
	}
	for _, err := range []error{e.Load(ctx, "none"), e.Unload(ctx, "none")} {
		if !errors.Is(err, ErrNoTask) {
			t.Errorf("no such task: %v", err)
		}
	}
	files, err := filepath.Glob(filepath.Join(f.store, ".*"))
	must(t, err)
	if len(files) > 0 {
		t.Errorf("temporary files left in the store: %v", files)
	}

	fixed, err := Open(ctx, Config{BaseDir: f.base, Store: readOnly{store.NewFolder(f.store)}, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer fixed.Close()
	if _, err := fixed.Put(ctx, "new", bytes.NewReader(first), -1); !errors.Is(err, ErrReadOnly) {
		t.Errorf("put: %v", err)
	}
	if err := fixed.Remove(ctx, "t0"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("remove: %v", err)
	}
}

// TestPutWhileAsked: during Put, the scores of a request are all the old delta's or
// all the new one's.
func TestPutWhileAsked(t *testing.T) {
	f := newFixture(t, 2, sparseOptions)
	contents := [][]byte{f.read(t, "t0"), f.read(t, "t1")}
	e := f.open(t, Config{})
	defer e.Close()
	want := [][][]float32{scoresOf(t, e, "t0"), scoresOf(t, e, "t1")}
	must(t, errors.Join(e.Unload(context.Background(), "t0"), e.Unload(context.Background(), "t1")))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := e.Classify(context.Background(), "t0", texts(3, 1), Options{Raw: true})
				if err != nil {
					t.Error(err)
				} else if !cmp.Equal(r.Scores, want[0]) && !cmp.Equal(r.Scores, want[1]) {
					t.Error("scores of neither delta")
				}
			}
		})
	}
	for i := range 8 {
		i %= 2
		_, err := e.Put(context.Background(), "t0", bytes.NewReader(contents[i]), -1)
		must(t, err)
		if !cmp.Equal(scoresOf(t, e, "t0"), want[i]) {
			t.Error("scores after Put are not the new delta's")
		}
	}
	close(stop)
	wg.Wait()
}
