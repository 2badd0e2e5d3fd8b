package cache

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kenserve/models"
	"kenserve/runtime/internal/failure"
)

const (
	warmBytes = 10 // of each task of these tests
	hotBytes  = 30 // what its hot network takes beside
)

// fakeTask counts how often it is closed. It is quick to promote if its name begins with
// "quick".
type fakeTask struct {
	name   string
	closed int
}

func (t *fakeTask) Labels() []string     { return []string{"no", "yes"} }
func (t *fakeTask) HotBytes() int64      { return hotBytes }
func (t *fakeTask) QuickToPromote() bool { return strings.HasPrefix(t.name, "quick") }
func (t *fakeTask) Digest() string       { return "digest" }
func (t *fakeTask) Close() error         { t.closed++; return nil }

func (t *fakeTask) Thresholds() []float64 { return nil }

type fakeNetwork struct{ models.Network }

// player plays events on a cache like an owner that loads, promotes and computes
// in no time.
type player struct {
	t       *testing.T
	c       *Cache
	budget  int64
	now     time.Time
	held    map[string][]*Entry // by "hold" and "compute"
	loading map[string]*Entry   // by "start"
	entries map[string]*Entry   // of the last load
	files   map[string]string   // versions in the store
	tasks   []*fakeTask
	failed  error // of the last event
}

func newPlayer(t *testing.T, budget int64, pinned ...string) *player {
	p := &player{
		t: t, budget: budget, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), held: map[string][]*Entry{},
		loading: map[string]*Entry{}, entries: map[string]*Entry{}, files: map[string]string{},
	}
	var err error
	p.c, err = New(Config{
		Budget: func() int64 { return p.budget }, RetryAfter: time.Minute, MaxWaitingLoads: 2, Pinned: pinned,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// play plays an event, a verb with a task's name or a number, and returns the
// tasks whose tier it has changed, as "a hot, b cold", and its error.
//
//	ask a       a request: the task is loaded if need be, and used, not computed
//	ask a 5     five of them
//	hold a      ask, without the release at the end
//	release a   the release of the oldest hold
//	compute a   hold, with a batch that uses the hot network if there is one
//	computed a  its end
//	start a     a request that begins a load, which does not end yet
//	join a      a request that waits for it
//	finish a    the end of the load
//	break a     its failure
//	reserve 10  room for another load
//	budget 10   the budget changes
//	unload a
//	wait 60     seconds pass
func (p *player) play(event string) string {
	before := p.tiers()
	p.failed = nil
	verb, rest, _ := strings.Cut(event, " ")
	name, count, _ := strings.Cut(rest, " ")
	number, _ := strconv.Atoi(name)
	switch verb {
	case "ask":
		n, _ := strconv.Atoi(count)
		for range max(n, 1) {
			if e := p.acquire(name); e != nil {
				p.c.Release(e)
			}
		}
	case "hold", "compute":
		e := p.acquire(name)
		if e == nil {
			break
		}
		p.held[name] = append(p.held[name], e)
		if verb == "compute" && p.c.UseNetwork(e) == nil {
			p.t.Errorf("%s: the task is not hot", event)
		}
	case "release", "computed":
		e := p.held[name][0]
		p.held[name] = p.held[name][1:]
		if verb == "computed" {
			p.c.NetworkUnused(e)
		}
		p.c.Release(e)
	case "start", "join":
		e, load, err := p.c.Acquire(name, p.now)
		p.failed = err
		if err == nil && load != (verb == "start") {
			p.t.Errorf("%s: load = %v", event, load)
		}
		if load {
			p.loading[name] = e
		}
	case "finish":
		p.finish(p.loading[name], "")
	case "break":
		e := p.loading[name]
		p.c.LoadBegins(0)
		p.c.LoadFailed(e, errors.New("broken"), "1", p.now)
	case "reserve":
		if !p.c.Reserve(int64(number)) {
			p.failed = errors.New("no room")
		}
	case "budget":
		p.budget = int64(number)
	case "unload":
		p.c.Detach(name)
	case "wait":
		p.now = p.now.Add(time.Duration(number) * time.Second)
	default:
		p.t.Fatalf("unknown event %q", event)
	}
	p.check(event)
	changes := difference(before, p.tiers())
	if p.failed != nil {
		changes = append(changes, p.failed.Error())
	}
	return strings.Join(changes, ", ")
}

// acquire acquires a task, loads it if need be, counts the request and promotes
// the task if the cache says so.
func (p *player) acquire(name string) *Entry {
	e, load, err := p.c.Acquire(name, p.now)
	if err != nil {
		p.failed = err
		return nil
	}
	if load && !p.finish(e, "") {
		p.c.Release(e)
		return nil
	}
	if p.c.CountRequest(e, p.now) {
		p.promote(e)
	}
	return e
}

// finish ends a load.
func (p *player) finish(e *Entry, version string) bool {
	p.c.LoadBegins(0)
	if !p.c.Reserve(warmBytes) {
		p.failed = errors.New("no room")
		p.c.LoadFailed(e, ErrAbandoned, "", p.now)
		return false
	}
	p.c.LoadTook(e.Name(), time.Second)
	if p.c.Loaded(e, p.newTask(e.Name()), version, warmBytes) {
		p.promote(e)
	}
	return true
}

func (p *player) newTask(name string) *fakeTask {
	task := &fakeTask{name: name}
	p.tasks = append(p.tasks, task)
	return task
}

func (p *player) promote(e *Entry) {
	p.c.PromotionQueued(e)
	if p.c.BeginPromotion(e) {
		p.c.EndPromotion(e, fakeNetwork{}, nil)
	}
}

// tiers returns the tiers of all tasks that requests find.
func (p *player) tiers() map[string]string {
	tiers := map[string]string{}
	for _, name := range p.c.entries.Keys() {
		if info := p.c.Describe(name, p.now); info.Hot {
			tiers[name] = "hot"
		} else if info.Loaded {
			tiers[name] = "warm"
		}
	}
	return tiers
}

func difference(before, after map[string]string) []string {
	var changes []string
	for name, tier := range after {
		if tier != before[name] {
			changes = append(changes, name+" "+tier)
		}
	}
	for name := range before {
		if after[name] == "" {
			changes = append(changes, name+" cold")
		}
	}
	sort.Strings(changes)
	return changes
}

// check compares the sums that the cache keeps with its entries.
func (p *player) check(event string) {
	p.t.Helper()
	c := p.c
	open := 0
	for _, task := range p.tasks {
		if task.closed > 1 {
			p.t.Errorf("%s: a task was closed %d times", event, task.closed)
		}
		open += 1 - task.closed
	}
	warm, detached := int64(0), map[*Entry]bool{}
	for _, held := range p.held {
		for _, e := range held {
			if e.detached {
				detached[e] = true
			}
		}
	}
	hot := int64(0)
	detachedBytes := int64(0)
	for e := range detached {
		detachedBytes += e.heldBytes()
		warm += e.bytes
		hot += e.heldBytes() - e.bytes
	}
	for _, e := range c.entries.Values() {
		warm += e.bytes
		hot += e.heldBytes() - e.bytes
	}
	if int64(open)*warmBytes != warm {
		p.t.Errorf("%s: %d tasks are open, entries hold %d bytes of warm tasks", event, open, warm)
	}
	if c.hotBytes != hot || c.detachedBytes != detachedBytes || c.usedBytes < warm+hot {
		p.t.Errorf("%s: hot %d, detached %d, used %d bytes; entries hold %d, %d and %d", event, c.hotBytes, c.detachedBytes, c.usedBytes, hot, detachedBytes, warm+hot)
	}
}

// TestPolicy: events, and the tasks that change their tier with each of them.
func TestPolicy(t *testing.T) {
	type step struct{ event, want string }
	for _, test := range []struct {
		name   string
		budget int64
		pinned []string
		steps  []step
	}{
		{"the least recently used task is evicted", 3 * warmBytes, nil, []step{
			{"ask a", "a warm"},
			{"ask b", "b warm"},
			{"ask c", "c warm"},
			{"ask a", ""},
			{"ask d", "b cold, d warm"},
			{"ask e", "c cold, e warm"},
		}},
		{"a task in use is kept, the next one is evicted", 2 * warmBytes, nil, []step{
			{"hold a", "a warm"},
			{"ask b", "b warm"},
			{"ask c", "b cold, c warm"},
			{"release a", ""},
		}},
		{"if all are in use, the least recently used one is detached and freed with its last request", 2 * warmBytes, nil, []step{
			{"hold a", "a warm"},
			{"hold a", ""},
			{"hold b", "b warm"},
			{"reserve 10", "a cold, no room"},
			{"reserve 10", "no room"}, // no further one is detached
			{"release a", ""},
			{"reserve 10", "no room"},
			{"release a", ""},
			{"reserve 10", ""},
		}},
		{"a popular task becomes hot", 2 * (warmBytes + hotBytes), nil, []step{
			{"ask a 4", "a warm"}, // the first of the four counts a little less than one by now
			{"ask a", "a hot"},
			{"ask a", ""},
		}},
		{"a task that is quick to promote becomes hot with its second request", 2 * (warmBytes + hotBytes), nil, []step{
			{"ask quick", "quick warm"},
			{"ask a 2", "a warm"},
			{"ask quick", "quick hot"},
		}},
		{"with room to spare the second request may come at any time", 8 * (warmBytes + hotBytes), nil, []step{
			{"ask quick", "quick warm"},
			{"ask a 10000", "a hot"},
			{"ask quick", "quick hot"},
		}},
		{"without room to spare it may not", 2 * (warmBytes + hotBytes), nil, []step{
			{"ask quick", "quick warm"},
			{"ask a 10000", "a hot"},
			{"ask quick", ""}, // it takes all of the room
			{"ask quick", "quick hot"},
		}},
		{"a hot task becomes warm before a warm one becomes cold, while hot ones have more than half", 2*(warmBytes+hotBytes) + 5, nil, []step{
			{"ask a 5", "a hot"},
			{"ask b 5", "b hot"},
			{"ask c", "a warm, c warm"},
			{"ask d", "d warm"},
			{"ask e", "e warm"},
			{"ask f", "a cold, f warm"}, // hot ones have less than half now
		}},
		{"a scan over many tasks leaves hot ones hot", 2 * (warmBytes + hotBytes), nil, []step{
			{"ask a 5", "a hot"},
			{"ask b", "b warm"},
			{"ask c", "c warm"},
			{"ask d", "d warm"},
			{"ask e", "e warm"},
			{"ask f", "b cold, f warm"},
			{"ask g", "c cold, g warm"},
			{"ask a", ""},
		}},
		{"a task becomes hot in place of another only if it is much more popular", 2*warmBytes + hotBytes, nil, []step{
			{"ask a 5", "a hot"},
			{"ask b 8", "b warm"}, // not more than 1.5 times 5, plus 1
			{"ask b", "a warm, b hot"},
			{"ask a 9", ""},
			{"ask a", "a hot, b warm"},
		}},
		{"a hot task that a batch computes with is not demoted", 2*warmBytes + hotBytes, nil, []step{
			{"ask a 5", "a hot"},
			{"compute a", ""},
			{"ask b", "b warm"},
			{"reserve 10", "b cold"},
			{"reserve 10", "a cold, no room"},
			{"computed a", ""},
			{"reserve 10", ""},
		}},
		{"a smaller budget demotes and evicts when a request ends", 2 * (warmBytes + hotBytes), nil, []step{
			{"ask a 5", "a hot"},
			{"hold b", "b warm"},
			{"budget 25", ""},
			{"release b", "a warm"},
			{"hold b", ""},
			{"budget 15", ""},
			{"release b", "a cold"},
		}},
		{"pinned tasks are hot at once and stay", 2*warmBytes + hotBytes, []string{"a"}, []step{
			{"ask b 5", "b hot"},
			{"ask a", "a hot, b warm"},
			{"ask b 100", ""},
			{"ask c", "b cold, c warm"},
			{"reserve 10", "c cold"},
			{"reserve 10", "no room"},
		}},
		{"a task is loaded once however many requests wait", 2 * warmBytes, nil, []step{
			{"start a", ""},
			{"join a", ""},
			{"join a", ""},
			{"finish a", "a warm"},
		}},
		{"loads that wait are bounded", 10 * warmBytes, nil, []step{
			{"start a", ""},
			{"start b", ""},
			{"start c", failure.ErrBusy.Error()},
			{"join a", ""},
			{"finish a", "a warm"},
			{"start c", ""},
		}},
		{"a failure is remembered for a minute", 2 * warmBytes, nil, []step{
			{"start a", ""},
			{"break a", ""},
			{"start a", "broken"},
			{"wait 59", ""},
			{"start a", "broken"},
			{"wait 1", ""},
			{"start a", ""},
		}},
		{"the failure of a load from before a change is not remembered", 2 * warmBytes, nil, []step{
			{"start a", ""},
			{"unload a", ""},
			{"break a", ""},
			{"ask a", "a warm"},
		}},
		{"a task that is unloaded while it is being loaded does not stay", 2 * warmBytes, nil, []step{
			{"start a", ""},
			{"unload a", ""},
			{"ask a", "a warm"}, // another load
		}},
		{"a task in use that is unloaded is loaded anew beside the old one", 2 * warmBytes, nil, []step{
			{"hold a", "a warm"},
			{"unload a", "a cold"},
			{"ask a", "a warm"},
			{"reserve 10", "a cold"},
			{"release a", ""},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlayer(t, test.budget, test.pinned...)
			for i, step := range test.steps {
				if got := p.play(step.event); got != step.want {
					t.Errorf("%d, %s: %q, want %q", i, step.event, got, step.want)
				}
			}
		})
	}
}

// TestSync: listings of the store, and the changes that follow. Tasks a and b are in memory in
// version 1, c has failed in version 1, and p is pinned and cold.
func TestSync(t *testing.T) {
	stable := func(version string) Listed { return Listed{version, true} }
	base := map[string]Listed{"a": stable("1"), "b": stable("1"), "c": stable("1")}
	for _, test := range []struct {
		name    string
		change  map[string]Listed // of the listing; no version: the task is removed
		removed []string
		replace []string
		load    []string
		failure bool // of c is still remembered
	}{
		{"nothing changed", nil, nil, nil, nil, true},
		{"a removed task is detached", map[string]Listed{"a": {}}, []string{"a"}, nil, nil, true},
		{"a new version is loaded", map[string]Listed{"b": stable("2")}, nil, []string{"b"}, nil, true},
		{"a new version in only one listing is not loaded yet", map[string]Listed{"b": {"2", false}}, nil, nil, nil, true},
		{"a failure of an older version is forgotten", map[string]Listed{"c": {"2", false}}, nil, nil, nil, false},
		{"a failure of a removed delta is kept", map[string]Listed{"c": {}}, nil, nil, nil, true},
		{"a pinned task is loaded", map[string]Listed{"p": {"1", false}}, nil, nil, []string{"p"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlayer(t, 1000, "p")
			for _, name := range []string{"a", "b"} {
				e, _, _ := p.c.Acquire(name, p.now)
				p.finish(e, "1")
				p.c.Release(e)
			}
			p.play("start c")
			p.play("break c")
			listing := map[string]Listed{}
			for name, item := range base {
				listing[name] = item
			}
			for name, item := range test.change {
				if listing[name] = item; item.Version == "" {
					delete(listing, name)
				}
			}
			changes := p.c.Sync(listing)
			var replace []string
			for _, e := range changes.Replace {
				replace = append(replace, e.Name())
			}
			if !slices.Equal(changes.Removed, test.removed) || !slices.Equal(replace, test.replace) || !slices.Equal(changes.Load, test.load) {
				t.Errorf("removed %v, replace %v, load %v", changes.Removed, replace, changes.Load)
			}
			if p.c.failures.Contains("c") != test.failure {
				t.Errorf("failure remembered: %v", !test.failure)
			}
			p.check("sync")
		})
	}
}

// TestReplacement: a newer version takes the old one's place, requests of the
// old one finish with it, and a version that cannot be loaded is tried once.
func TestReplacement(t *testing.T) {
	p := newPlayer(t, 1000)
	listing := func(version string) map[string]Listed { return map[string]Listed{"a": {version, true}} }
	old := p.acquire("a") // a request in progress, of version ""
	p.held["a"] = []*Entry{old}

	refused := p.c.Sync(listing("2")).Replace
	if len(refused) != 1 || refused[0] != old {
		t.Fatalf("replace %v", refused)
	}
	e := p.c.BeginReplacement(old)
	if p.c.BeginReplacement(old) != nil {
		t.Error("two replacements at a time")
	}
	p.c.LoadBegins(0)
	p.c.ReplacementFailed(old, e, &failure.TaskError{Task: "a", Class: "its delta is damaged"}, "2", false)
	p.c.Release(e)
	if info := p.c.Describe("a", p.now); info.Problem != "its delta is damaged" || !info.Loaded {
		t.Errorf("after a refused version: %+v", info)
	}
	if again := p.c.Sync(listing("2")).Replace; len(again) != 0 {
		t.Error("a refused version is tried again")
	}
	p.c.Sync(listing(""))
	if info := p.c.Describe("a", p.now); info.Problem != "" {
		t.Errorf("after the refused version was taken back: %+v", info)
	}

	// A version that could not be read for another reason than its own is tried again.
	for _, reason := range []error{failure.ErrStoreAway, failure.ErrNoSpace} {
		e := p.c.BeginReplacement(old)
		p.c.LoadBegins(0)
		p.c.ReplacementFailed(old, e, fmt.Errorf("runtime: task a: %w", reason), "2", false)
		p.c.Release(e)
		if problems := p.c.Problems(); !strings.Contains(problems["a"], reason.Error()) {
			t.Errorf("%v: problems %v", reason, problems)
		}
		if again := p.c.Sync(listing("2")).Replace; len(again) != 1 {
			t.Errorf("%v: the version is not tried again", reason)
		}
		p.c.Sync(listing(""))
		if problems := p.c.Problems(); len(problems) != 0 {
			t.Errorf("%v: the problem stays: %v", reason, problems)
		}
	}

	e = p.c.BeginReplacement(old)
	p.c.LoadBegins(0)
	p.c.Reserve(warmBytes)
	attached, promote := p.c.Replaced(old, e, p.newTask(e.Name()), "3", warmBytes)
	if !attached || promote {
		t.Errorf("attached %v, promote %v", attached, promote)
	}
	p.c.Release(e)
	p.check("replaced")
	if found, _ := p.c.Attached("a"); found != e || !old.detached || p.c.DetachedBytes() != warmBytes {
		t.Errorf("found %v; the old entry is detached: %v", found, old.detached)
	}
	p.play("release a")
	if p.c.DetachedBytes() != 0 || p.c.usedBytes != warmBytes {
		t.Errorf("%d bytes are used, %d detached", p.c.usedBytes, p.c.DetachedBytes())
	}

	// If the task is unloaded meanwhile, the newer version is dropped, too.
	next := p.c.BeginReplacement(e)
	p.c.LoadBegins(0)
	p.play("unload a")
	p.c.Reserve(warmBytes)
	if attached, _ := p.c.Replaced(e, next, p.newTask(e.Name()), "4", warmBytes); attached {
		t.Error("a replacement of an unloaded task was attached")
	}
	p.c.Release(next)
	if p.c.usedBytes != 0 {
		t.Errorf("%d bytes are used", p.c.usedBytes)
	}
	if s := p.c.Stats(); s.Replacements != 1 || s.LoadErrors != 3 || s.LoadsWaiting != 0 {
		t.Errorf("%+v", s)
	}

	// And so is what was wrong with it.
	old = p.acquire("a")
	next = p.c.BeginReplacement(old)
	p.c.LoadBegins(0)
	p.c.Release(old)
	p.play("unload a")
	p.c.ReplacementFailed(old, next, errors.New("broken"), "5", false)
	if problems := p.c.Problems(); len(problems) != 0 {
		t.Errorf("problems of a version from before a change: %v", problems)
	}
}

// TestPromotionFails: a network that cannot be made gives its bytes back, and is
// not tried again.
func TestPromotionFails(t *testing.T) {
	p := newPlayer(t, 1000)
	p.play("ask a 4")
	e, _, _ := p.c.Acquire("a", p.now)
	if !p.c.CountRequest(e, p.now) {
		t.Fatal("not to be promoted")
	}
	p.c.PromotionQueued(e)
	if p.c.CountRequest(e, p.now) {
		t.Error("to be promoted twice")
	}
	if !p.c.BeginPromotion(e) || p.c.hotBytes != hotBytes {
		t.Fatalf("%d bytes reserved", p.c.hotBytes)
	}
	p.c.EndPromotion(e, nil, errors.New("broken"))
	p.c.Release(e)
	p.check("failed promotion")
	if got := p.play("ask a 10"); got != "" {
		t.Errorf("after the failure: %s", got)
	}
}

// TestFailuresBounded: only so many failures are remembered, and nothing else of
// tasks that do not exist.
func TestFailuresBounded(t *testing.T) {
	p := newPlayer(t, 1000)
	for i := range maxFailures + 100 {
		name := fmt.Sprintf("none%d", i)
		e, load, err := p.c.Acquire(name, p.now)
		if !load || err != nil {
			t.Fatal(err)
		}
		p.c.LoadBegins(0)
		if p.c.LoadFailed(e, failure.ErrNoTask, "", p.now) {
			t.Fatal("a request for an unknown task is to be logged")
		}
		p.c.Release(e)
	}
	if c := p.c; c.failures.Len() != maxFailures || c.entries.Len() != 0 || len(c.usage) != 0 {
		t.Errorf("%d failures, %d entries, %d tasks; want %d, none and none", c.failures.Len(), c.entries.Len(), len(c.usage), maxFailures)
	}
}

// TestPopularity: counts decay by half with each half-life.
func TestPopularity(t *testing.T) {
	var p popularity
	for _, step := range []struct {
		add  bool
		at   uint64
		want float64
	}{
		{true, 1, 1},
		{true, 1, 2},
		{false, 1 + halfLife, 1},
		{true, 1 + halfLife, 2},
		{false, 1 + 2*halfLife, 1},
	} {
		if step.add {
			p.add(step.at)
		}
		if got := p.value(step.at); got != step.want {
			t.Errorf("at request %d: %g, want %g", step.at, got, step.want)
		}
	}
}

// TestMaxTaskBytes: a task cannot get the bytes of other pinned tasks.
func TestMaxTaskBytes(t *testing.T) {
	p := newPlayer(t, 1000, "a", "b")
	p.play("ask a")
	for name, want := range map[string]int64{"a": 1000, "b": 1000 - warmBytes - hotBytes, "c": 1000 - warmBytes - hotBytes} {
		if got := p.c.MaxTaskBytes(name); got != want {
			t.Errorf("task %s: %d bytes, want %d", name, got, want)
		}
	}
	if diff := cmp.Diff(map[string]string{"a": "hot"}, p.tiers()); diff != "" {
		t.Error(diff)
	}
}
