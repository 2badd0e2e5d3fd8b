package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/ken"
	"kenserve/runtime/internal/failure"
	"kenserve/safetensors"
)

// overflowing adds a task whose logits overflow to the store.
func (f *fixture) overflowing(t *testing.T, task string) {
	t.Helper()
	c, err := safetensors.OpenCheckpoint(f.tuned[0])
	must(t, err)
	defer c.Close()
	var entries []safetensors.Entry
	for _, name := range c.Names() {
		w, _ := c.Tensor(name)
		values := make([]float32, w.Len())
		must(t, w.Float32s(values, 0))
		if name == "classifier.weight" {
			for i := range values {
				values[i] = math.MaxFloat32
			}
		}
		entries = append(entries, (&safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: w.Shape, Data: safetensors.Bytes(values)}).Entry())
	}
	must(t, safetensors.WriteFile(filepath.Join(f.tuned[0], safetensors.WeightsFile), nil, entries))
	f.prune(t, task, 0, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Float32})
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestNotFinite: a delta whose weights overflow is the task's fault and not the
// server's. It is found before it takes the place of another one, by an upload or by
// the store; a first one is reported with the first request.
func TestNotFinite(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Float32})
	good := f.read(t, "t0")
	f.overflowing(t, "huge")
	huge := f.read(t, "huge")
	var log lockedBuffer
	e := f.open(t, Config{Watch: 10 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer e.Close()
	ctx := context.Background()

	for range 2 {
		r, err := e.Classify(ctx, "huge", texts(3, 1), Options{})
		if !errors.Is(err, ErrTaskUnusable) || !strings.Contains(err.Error(), failure.NotFinite) {
			t.Errorf("scores %v, %v", r, err)
		}
	}
	if p := e.Problems(); len(p) != 1 || p["huge"] != failure.NotFinite {
		t.Errorf("problems %v", p)
	}
	if info, _ := e.Task("huge"); info.Problem != failure.NotFinite {
		t.Errorf("problem %q", info.Problem)
	}
	if n := strings.Count(log.String(), "task cannot be computed with"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if _, err := e.Classify(ctx, "t0", texts(3, 1), Options{}); err != nil {
		t.Error(err)
	}

	for _, name := range []string{"t0", "new"} {
		if _, err := e.Put(ctx, name, bytes.NewReader(huge), -1); !errors.Is(err, ErrTaskUnusable) || !strings.Contains(err.Error(), failure.NotFinite) {
			t.Errorf("put %s: %v", name, err)
		}
	}
	if _, err := e.Task("new"); !errors.Is(err, ErrNoTask) {
		t.Errorf("the refused delta is in the store: %v", err)
	}

	f.write(t, "t0", huge)
	until(t, "the overflowing replacement is refused", func() bool { return e.Problems()["t0"] == failure.NotFinite })
	if _, err := e.Classify(ctx, "t0", texts(3, 1), Options{}); err != nil {
		t.Errorf("the old delta: %v", err)
	}
	f.write(t, "t0", good)
	f.write(t, "huge", good)
	until(t, "the good deltas are served", func() bool {
		_, err := e.Classify(ctx, "huge", texts(1, 1), Options{})
		return err == nil && len(e.Problems()) == 0
	})
}

// TestProblemsOfColdTasks: the problem of a task that is not in memory stays until
// its delta changes, however long nobody asks for it.
func TestProblemsOfColdTasks(t *testing.T) {
	f := newFixture(t, 1, sparseOptions)
	good := f.read(t, "t0")
	f.write(t, "t0", good[:len(good)/2])
	e := f.open(t, Config{Watch: 10 * time.Millisecond, RetryAfter: time.Millisecond})
	defer e.Close()
	if p := e.Problems(); len(p) != 0 {
		t.Errorf("before the first request: %v", p)
	}
	if _, err := e.Classify(context.Background(), "t0", texts(1, 1), Options{}); !errors.Is(err, ErrTaskUnusable) {
		t.Error(err)
	}
	time.Sleep(50 * time.Millisecond)
	if p := e.Problems(); p["t0"] == "" {
		t.Errorf("problems %v", p)
	}
	f.write(t, "t0", good)
	until(t, "the problem ends with the delta", func() bool { return len(e.Problems()) == 0 })
}

// TestStoreAway: while the store is away, tasks in memory are served, others are not
// lost but cannot be reached, and nothing is removed. Afterwards all is as before.
func TestStoreAway(t *testing.T) {
	t.Run("no folder", func(t *testing.T) { testStoreAway(t, false) })
	t.Run("an empty folder in its place", func(t *testing.T) { testStoreAway(t, true) })
}

func testStoreAway(t *testing.T, empty bool) {
	f := newFixture(t, 2, sparseOptions)
	e := f.open(t, Config{Watch: 10 * time.Millisecond, RetryAfter: time.Hour})
	defer e.Close()
	ctx := context.Background()
	scoresOf(t, e, "t0")
	must(t, os.Rename(f.store, f.store+".away"))
	if empty { // as the mount point of a share
		must(t, os.Mkdir(f.store, 0o755))
	}
	until(t, "the engine is not ready", func() bool { return e.Ready() != nil })
	scoresOf(t, e, "t0")
	if info, err := e.Task("t0"); err != nil || info.Residency == Cold {
		t.Errorf("%+v, %v", info, err)
	}
	_, errClassify := e.Classify(ctx, "t1", texts(1, 1), Options{})
	_, errTask := e.Task("t1")
	_, errTasks := e.Tasks()
	_, errPut := e.Put(ctx, "t1", bytes.NewReader([]byte("x")), -1)
	_, errCopy := e.Copy(ctx, "t2", "t1")
	for what, err := range map[string]error{
		"classify": errClassify, "describe": errTask, "put": errPut, "copy": errCopy,
		"load": e.Load(ctx, "t1"), "unload": e.Unload(ctx, "t1"), "remove": e.Remove(ctx, "t1"),
	} {
		if !errors.Is(err, ErrStoreAway) || errors.Is(err, ErrNoTask) || errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if errTasks == nil {
		t.Error("the list of tasks has no error")
	}
	if empty {
		must(t, os.Remove(f.store)) // nothing was written into it
	}
	must(t, os.Rename(f.store+".away", f.store))
	until(t, "the engine is ready", func() bool { return e.Ready() == nil })
	scoresOf(t, e, "t1")
}

// fullStore is a store whose disk is full.
type fullStore struct{ *store.Folder }

// Spool returns a file that cannot be written.
func (s fullStore) Spool() (*store.Spool, error) {
	spool, err := s.Folder.Spool()
	if err != nil {
		return nil, err
	}
	if err := spool.Close(); err != nil {
		return nil, err
	}
	spool.File, err = os.OpenFile("/dev/full", os.O_RDWR, 0)
	return spool, err
}

// TestFullDisk: an upload to a full disk says so, and changes nothing.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	f := newFixture(t, 1, sparseOptions)
	e, err := Open(context.Background(), Config{BaseDir: f.base, Store: fullStore{store.NewFolder(f.store)}, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer e.Close()
	if _, err := e.Put(context.Background(), "t0", bytes.NewReader(f.read(t, "t0")), -1); !errors.Is(err, ErrNoSpace) {
		t.Error(err)
	}
	scoresOf(t, e, "t0")
	if left, err := filepath.Glob(filepath.Join(f.store, ".full")); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestDigests: results, descriptions and replacements name the delta.
func TestDigests(t *testing.T) {
	f := newFixture(t, 2, sparseOptions)
	var log lockedBuffer
	e := f.open(t, Config{Watch: 10 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer e.Close()
	digest := func(task string) string {
		d, err := delta.Open(filepath.Join(f.store, task+delta.Extension))
		must(t, err)
		defer d.Close()
		return d.SHA256
	}
	served := func() string {
		r, err := e.Classify(context.Background(), "t0", texts(1, 1), Options{})
		must(t, err)
		info, err := e.Task("t0")
		must(t, err)
		if r.Digest != info.Digest || e.Digests()["t0"] != r.Digest {
			return "" // the delta was replaced between the calls
		}
		return r.Digest
	}
	first, second := digest("t0"), digest("t1")
	if got := served(); got != first {
		t.Errorf("digest %s, want %s", got, first)
	}
	f.write(t, "t0", f.read(t, "t1"))
	until(t, "the new delta is served", func() bool { return served() == second })
	if line := fmt.Sprintf("sha256=%s before=%s", second, first); !strings.Contains(log.String(), line) {
		t.Errorf("the log has no %q: %s", line, log.String())
	}
	if d := e.Digests(); len(d) != 1 {
		t.Errorf("digests of cold tasks: %v", d)
	}
}
