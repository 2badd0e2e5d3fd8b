package storesync

import (
	"context"
	"errors"
	"log/slog"
	"sort"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/models"
	"kenserve/runtime/internal/failure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	fileBytes     = 100
	overheadBytes = 20 // more than a task of these tests needs
	warmBytes     = 110
	hotBytes      = 300
)

// fakeStore is a store of empty files.
type fakeStore struct {
	mu       sync.Mutex
	versions map[string]string // by task
	fetched  map[string]int
}

func newFakeStore(tasks ...string) *fakeStore {
	s := &fakeStore{versions: map[string]string{}, fetched: map[string]int{}}
	for _, task := range tasks {
		s.versions[task] = "1"
	}
	return s
}

func (s *fakeStore) List(context.Context) ([]store.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []store.Item
	for task, version := range s.versions {
		items = append(items, store.Item{Task: task, Version: version, Size: fileBytes})
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Task < items[j].Task })
	return items, nil
}

func (s *fakeStore) Stat(_ context.Context, task string) (store.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, ok := s.versions[task]
	if !ok {
		return store.Item{}, store.ErrNotFound
	}
	return store.Item{Task: task, Version: version, Size: fileBytes}, nil
}

// Fetch returns a file whose path is the item's version.
func (s *fakeStore) Fetch(_ context.Context, item store.Item) (store.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched[item.Task]++
	return store.File{Path: item.Version}, nil
}

func (s *fakeStore) set(task, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.versions[task] = version; version == "" {
		delete(s.versions, task)
	}
}

// fakeBase makes tasks; those of the version "damaged" cannot be loaded.
type fakeBase struct{ closed chan string }

func (b fakeBase) OverheadBytes() int64 { return overheadBytes }

func (b fakeBase) Plan(file store.File) (Plan, error) {
	if file.Path == "damaged" {
		return nil, delta.ErrDigest
	}
	return &fakeTask{base: b, version: file.Path}, nil
}

// fakeTask is a plan and its task, whose networks have a label for each byte of
// the version.
type fakeTask struct {
	base    fakeBase
	version string
}

func (t *fakeTask) WarmBytes() int64      { return warmBytes }
func (t *fakeTask) Load() (Task, error)   { return t, nil }
func (t *fakeTask) Labels() []string      { return []string{t.version} }
func (t *fakeTask) HotBytes() int64       { return hotBytes }
func (t *fakeTask) QuickToPromote() bool  { return false }
func (t *fakeTask) Digest() string        { return t.version }
func (t *fakeTask) Thresholds() []float64 { return nil }
func (t *fakeTask) Close() error {
	if t.base.closed != nil {
		t.base.closed <- t.version
	}
	return nil
}
func (t *fakeTask) Warm() (models.Network, error) { return fakeNetwork{len(t.version)}, nil }
func (t *fakeTask) Hot() (models.Network, error)  { return fakeNetwork{len(t.version)}, nil }

type fakeNetwork struct{ labels int }

func (n fakeNetwork) Labels() int                                               { return n.labels }
func (n fakeNetwork) Weights() *models.TaskWeights                              { return nil }
func (n fakeNetwork) Forward(*models.Workspace, *models.Batch, []float32) error { return nil }

func open(t *testing.T, c Config) *Loader {
	t.Helper()
	if c.Base == nil {
		c.Base = fakeBase{}
	}
	if c.Budget == 0 {
		c.Budget = 1 << 20
	}
	c.Idle = func() bool { return true }
	c.Loads, c.MaxWaiting, c.RetryAfter = 2, 100, time.Hour
	c.Log = slog.New(slog.DiscardHandler)
	l, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func acquire(t *testing.T, l *Loader, name string) Handle {
	t.Helper()
	h, err := l.Acquire(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// labels returns how many labels the network that a batch would use has.
func labels(h Handle) int {
	network, done := h.Use()
	defer done()
	return network.Labels()
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

// waitingForRoom returns how many loads wait for room.
func waitingForRoom(l *Loader) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.roomQueue)
}

// TestRoomDelaysNobody: while a load waits for room, requests for tasks in memory
// do not wait. The load gets its room although they never pause, because the
// least recently used task is detached.
func TestRoomDelaysNobody(t *testing.T) {
	l := open(t, Config{Store: newFakeStore("c0", "c1", "c2"), Budget: 2*warmBytes + overheadBytes})
	first := acquire(t, l, "c0") // a request that takes long
	second := acquire(t, l, "c1")
	loaded := make(chan error, 1)
	go func() {
		h, err := l.Acquire(context.Background(), "c2")
		if err == nil {
			h.Release()
		}
		loaded <- err
	}()
	until(t, "the load waits for room", func() bool { return waitingForRoom(l) == 1 })
	// c0 is detached: c1 is served as before, and always in use.
	for range 20 {
		next := acquire(t, l, "c1")
		second.Release()
		second = next
		labels(second)
	}
	select {
	case err := <-loaded:
		t.Fatalf("the load did not wait for room: %v", err)
	default:
	}
	if n := labels(first); n != 1 { // a task in use stays valid
		t.Errorf("the detached task's network has %d labels, want 1", n)
	}
	first.Release()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	second.Release()
	if s := l.Stats(); s.TaskBytes > s.BudgetBytes || s.Evictions != 1 {
		t.Errorf("%+v", s)
	}
}

// TestAbandoned: a load that waits for room ends with the last request for it.
func TestAbandoned(t *testing.T) {
	l := open(t, Config{Store: newFakeStore("c0", "c1"), Budget: warmBytes + overheadBytes})
	held := acquire(t, l, "c0")
	ctx, cancel := context.WithCancel(context.Background())
	abandoned := make(chan error, 1)
	go func() {
		_, err := l.Acquire(ctx, "c1")
		abandoned <- err
	}()
	until(t, "the load waits for room", func() bool { return waitingForRoom(l) == 1 })
	cancel()
	if err := <-abandoned; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	until(t, "the load is abandoned", func() bool { return waitingForRoom(l) == 0 })
	held.Release()
	acquire(t, l, "c1").Release() // loaded when a request needs it again
}

// TestTaskTooLarge: a task that could never fit is an error at once.
func TestTaskTooLarge(t *testing.T) {
	l := open(t, Config{Store: newFakeStore("c0"), Budget: fileBytes})
	_, err := l.Acquire(context.Background(), "c0")
	if !errors.Is(err, failure.ErrTaskUnusable) || failure.Class(err) != "it does not fit the memory for tasks" {
		t.Error(err)
	}
}

// slowStat is a store whose next answer to Stat comes late.
type slowStat struct {
	*fakeStore
	asked, answer chan struct{}
}

func (s *slowStat) Stat(ctx context.Context, task string) (store.Item, error) {
	item, err := s.fakeStore.Stat(ctx, task)
	if err != nil {
		s.asked <- struct{}{}
		<-s.answer
	}
	return item, err
}

// TestRefreshWhileLoading: a load found no task before a change, and
// ends after it. Its error is not that of requests after the change.
func TestRefreshWhileLoading(t *testing.T) {
	s := &slowStat{newFakeStore(), make(chan struct{}), make(chan struct{})}
	l := open(t, Config{Store: s})
	early := make(chan error, 1)
	go func() {
		_, err := l.Acquire(context.Background(), "c0")
		early <- err
	}()
	<-s.asked
	s.set("c0", "1")
	if err := l.Refresh("c0"); err != nil {
		t.Fatal(err)
	}
	close(s.answer)
	if err := <-early; !errors.Is(err, failure.ErrNoTask) {
		t.Errorf("the request from before the change: %v", err)
	}
	acquire(t, l, "c0").Release()
}

// TestSyncStore: versions of a task in the store, and the one that is served
// after two listings.
func TestSyncStore(t *testing.T) {
	store := newFakeStore("t")
	closed := make(chan string, 10)
	l := open(t, Config{Store: store, Base: fakeBase{closed}})
	inProgress := acquire(t, l, "t") // a request of version 1
	for _, c := range []struct {
		version string // empty: removed
		labels  int    // of the version that is served; 0: none
		problem string
	}{
		{"22", 2, ""},
		{"damaged", 2, "its delta is damaged"},
		{"22", 2, ""},
		{"damaged", 2, "its delta is damaged"},
		{"333", 3, ""},
		{"", 0, ""},
	} {
		store.set("t", c.version)
		l.syncStore()
		l.syncStore()
		until(t, "the replacement has ended: "+c.version, func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			e, ok := l.cache.Attached("t")
			return ok == (c.labels > 0) && (!ok || len(taskOf(e).(*fakeTask).version) == c.labels) && l.cache.Describe("t", time.Now()).Problem == c.problem
		})
		h, err := l.Acquire(context.Background(), "t")
		if (err == nil) != (c.labels > 0) {
			t.Fatalf("version %q: %v", c.version, err)
		}
		if err == nil {
			if n := labels(h); n != c.labels {
				t.Errorf("version %q: %d labels, want %d", c.version, n, c.labels)
			}
			h.Release()
		}
	}
	if n := labels(inProgress); n != 1 {
		t.Errorf("the request in progress has a network of %d labels, want 1", n)
	}
	inProgress.Release()
	var versions []string
	for len(closed) > 0 {
		versions = append(versions, <-closed)
	}
	if len(versions) != 3 || versions[2] != "1" {
		t.Errorf("closed %v; want each version that was loaded, the first one last", versions)
	}
}
