package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kenserve/models/tiny"
	"kenserve/runtime"
	"kenserve/tune"
)

// TestMain: with the variable, the test program is the process of a job.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_TUNE_JOB") != "" {
		if err := obey(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// engine is a store in memory.
type engine struct {
	mu       sync.Mutex
	deltas   map[string][]byte
	readOnly bool
	putErrs  []error // of the next calls of Put
	memory   int64   // 0: enough
	reserved int64
	busy     bool
}

func (e *engine) Put(_ context.Context, task string, r io.Reader, size int64) (runtime.TaskInfo, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.putErrs) > 0 {
		err := e.putErrs[0]
		e.putErrs = e.putErrs[1:]
		return runtime.TaskInfo{}, err
	}
	b, err := io.ReadAll(r)
	if err == nil && int64(len(b)) != size {
		err = fmt.Errorf("%d bytes, announced %d", len(b), size)
	}
	e.deltas[task] = b
	return runtime.TaskInfo{Name: task}, err
}

func (e *engine) Writable() error {
	if e.readOnly {
		return runtime.ErrReadOnly
	}
	return nil
}

func (e *engine) Reserve(n int64) (func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.memory != 0 && e.reserved+n > e.memory {
		return nil, runtime.ErrNoMemory
	}
	e.reserved += n
	return func() { e.mu.Lock(); e.reserved -= n; e.mu.Unlock() }, nil
}

func (e *engine) Idle() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.busy
}

func (e *engine) delta(task string) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.deltas[task]
}

// csv returns labelled texts.
func csv(n int) string {
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("text,label\n")
	for range n {
		c := rng.IntN(3)
		fmt.Fprintf(&b, "%s %s %s,%s\n", tiny.Words[5+rng.IntN(5)], []string{"good", "bad", "city"}[c], tiny.Words[5+rng.IntN(5)], []string{"praise", "blame", "place"}[c])
	}
	return b.String()
}

func fast(epochs int) Options {
	return Options{Recipe: tune.Recipe{Method: tune.Sparse, Share: .3, Epochs: epochs, Batch: 8, Rate: 1e-2, HeadRate: 2, HeadEpochs: -1, Contrastive: -1, Patience: -1, Seed: 1}}
}

// fixture is an engine, a base, and a folder of jobs.
type fixture struct {
	*engine
	t      *testing.T
	config Config
}

func newFixture(t *testing.T) *fixture {
	base := t.TempDir()
	if err := tiny.WriteFamily(base, "bert", 1); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{deltas: map[string][]byte{}}
	return &fixture{e, t, Config{
		Dir: filepath.Join(t.TempDir(), "jobs"), BaseDir: base, BaseBytes: 1 << 20, Engine: e, MaxBytes: 1 << 20, Producer: "test",
		Command: func() *exec.Cmd {
			c := exec.Command(program)
			c.Env = append(os.Environ(), "TEST_TUNE_JOB=1")
			return c
		},
	}}
}

func (f *fixture) open() *Jobs {
	f.t.Helper()
	j, err := Open(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	return j
}

// serve opens the jobs and runs them until stop is called.
func (f *fixture) serve() (j *Jobs, stop func()) {
	f.t.Helper()
	j = f.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, j.Close()); err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(stop)
	return j, stop
}

func (f *fixture) add(j *Jobs, task string, o Options, texts string) Job {
	f.t.Helper()
	job, err := j.Add(context.Background(), task, o, strings.NewReader(texts))
	if err != nil {
		f.t.Fatal(err)
	}
	return job
}

// until waits until a job of a task fulfils a condition.
func (f *fixture) until(j *Jobs, task string, what string, holds func(Job) bool) Job {
	f.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		job, err := j.Get(task)
		if err != nil {
			f.t.Fatal(err)
		}
		if holds(job) {
			return job
		}
		if job.State.Final() || time.Now().After(end) {
			reason := ""
			if job.Error != nil {
				reason = *job.Error
			}
			f.t.Fatalf("the job is %s (%s), want %s", job.State, reason, what)
		}
	}
}

func is(s State) func(Job) bool { return func(j Job) bool { return j.State == s } }

func training(j Job) bool { return j.Progress != nil && j.Progress.Step > 5 }

// files lists the files of a job.
func (f *fixture) files(task string) (names []string) {
	entries, _ := os.ReadDir(filepath.Join(f.config.Dir, task))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestLife follows a job from the texts to the delta.
func TestLife(t *testing.T) {
	f := newFixture(t)
	j, stop := f.serve()
	checked, err := j.Check(context.Background(), "mine", fast(4), strings.NewReader(csv(80)+"good,\n,praise\n"))
	if err != nil || checked.State != Checked || len(checked.Data.Labels) != 3 || len(checked.Data.Findings) < 2 || checked.Data.Findings[0].Rows == nil {
		t.Fatalf("check: %v, %+v", err, checked.Data)
	}
	if _, err := j.Get("mine"); !errors.Is(err, ErrNoJob) {
		t.Fatalf("a check has left a job: %v", err)
	}
	if queued := f.add(j, "mine", fast(4), csv(80)); queued.State != Queued || queued.Data.Train == 0 {
		t.Fatalf("%+v", queued)
	}
	job := f.until(j, "mine", "done", is(Done))
	if len(job.Curve) < 2 || job.Report == nil || !bytes.Contains(job.Report, []byte(`"accuracy"`)) || bytes.Contains(job.Report, []byte(f.config.Dir)) {
		t.Errorf("curve %v, report %s", job.Curve, job.Report)
	}
	if !bytes.Contains(f.delta("mine"), []byte("praise")) {
		t.Error("the delta does not have the labels")
	}
	if files := f.files("mine"); strings.Join(files, " ") != "job.json lock" {
		t.Errorf("files are left: %s", files)
	}
	if c := j.Counts(); c.Done != 1 || c.Steps == 0 || c.Running+c.Queued != 0 {
		t.Errorf("counts %+v", c)
	}
	if f.reserved != 0 {
		t.Errorf("%d bytes are still reserved", f.reserved)
	}
	stop()
	// The state is there after a restart, until somebody forgets it.
	j, _ = f.serve()
	if again, err := j.Get("mine"); err != nil || again.State != Done || again.Report == nil {
		t.Errorf("after a restart: %v, %+v", err, again)
	}
	if err := j.Cancel(context.Background(), "mine"); err != nil || len(f.files("mine")) > 0 || len(j.List()) > 0 {
		t.Errorf("the job is not forgotten: %v", err)
	}
}

// TestRestart kills processes of a job, and restarts its server, while it trains. The delta
// is that of a job that was left alone.
func TestRestart(t *testing.T) {
	f := newFixture(t)
	j, stop := f.serve()
	f.add(j, "alone", fast(30), csv(150))
	f.until(j, "alone", "done", is(Done))
	stop()
	want := f.delta("alone")

	j, stop = f.serve()
	f.add(j, "alone", fast(30), csv(150)) // the same name, so that the files can be the same
	f.until(j, "alone", "running", training)
	stop()
	if s := f.files("alone"); len(s) < 3 {
		t.Fatalf("files %s", s)
	}
	j, stop = f.serve()
	if job := f.until(j, "alone", "running", training); job.Resumed != 1 {
		t.Errorf("resumed %d times", job.Resumed)
	}
	f.kill("alone")
	f.until(j, "alone", "done", is(Done))
	stop()
	if got := f.delta("alone"); sha256.Sum256(got) != sha256.Sum256(want) {
		t.Error("the delta of a job that was interrupted differs")
	}
}

// kill kills the process of a job: the one that has its lock file open.
func (f *fixture) kill(task string) {
	f.t.Helper()
	lock := filepath.Join(f.config.Dir, task, lockFile)
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == lock {
			var pid int
			if _, err := fmt.Sscanf(link, "/proc/%d/", &pid); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				return
			}
		}
	}
	f.t.Log("the process has ended already")
}

// TestOneAtATime: a second job waits for the first.
func TestOneAtATime(t *testing.T) {
	f := newFixture(t)
	j, _ := f.serve()
	ctx := context.Background()
	f.add(j, "first", fast(2000), csv(100))
	f.until(j, "first", "running", training)
	f.add(j, "second", fast(2), csv(60))
	if job, _ := j.Get("second"); job.State != Queued {
		t.Errorf("the second is %s", job.State)
	}
	if _, err := j.Add(ctx, "first", fast(2), strings.NewReader(csv(60))); !errors.Is(err, ErrActive) {
		t.Errorf("a second job of a task: %v", err)
	}
	list := j.List()
	if len(list) != 2 || list[0].Task != "first" || list[1].Task != "second" {
		t.Errorf("list %+v", list)
	}
	if err := j.Cancel(ctx, "first"); err != nil {
		t.Fatal(err)
	}
	if job, _ := j.Get("first"); job.State != Cancelled || f.delta("first") != nil || len(f.files("first")) != 2 {
		t.Errorf("cancelled: %s, files %s", job.State, f.files("first"))
	}
	f.until(j, "second", "done", is(Done))
}

// TestCancelQueued: a job that waits is cancelled at once, and its texts are removed.
func TestCancelQueued(t *testing.T) {
	f := newFixture(t)
	j := f.open() // nothing runs
	defer j.Close()
	f.add(j, "mine", fast(2), csv(60))
	if err := j.Cancel(context.Background(), "mine"); err != nil {
		t.Fatal(err)
	}
	if job, _ := j.Get("mine"); job.State != Cancelled || len(f.files("mine")) != 2 {
		t.Errorf("%s, files %s", job.State, f.files("mine"))
	}
	for i := range maxQueued {
		j.jobs[fmt.Sprint(i)] = &job{record: record{Job: Job{State: Queued}}}
	}
	if _, err := j.Add(context.Background(), "more", fast(2), strings.NewReader(csv(60))); !errors.Is(err, ErrFull) {
		t.Errorf("a full queue: %v", err)
	}
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestRefused: a job that cannot run is refused before it is queued, and leaves nothing.
func TestRefused(t *testing.T) {
	gone := errors.New("the connection is gone")
	invalid := errors.New("invalid")
	for _, c := range []struct {
		name    string
		texts   io.Reader
		options Options
		set     func(*engine) // nil: the engine is willing
		want    error
		message string
	}{
		{name: "open quote", texts: strings.NewReader("text,label\na,b\n\"c,d\n"), want: invalid, message: "row 2"},
		{name: "no label column", texts: strings.NewReader("text,class\na,b\n"), want: invalid, message: "class"},
		{name: "one label", texts: strings.NewReader("text,label\na,b\nc,b\n"), want: invalid},
		{name: "no rows", texts: strings.NewReader("text,label\n"), want: invalid},
		{name: "empty", texts: strings.NewReader(""), want: invalid},
		{name: "not UTF-8", texts: strings.NewReader("text,label\n\xff,b\n"), want: invalid, message: "row 1"},
		{name: "compressed", texts: strings.NewReader("\x1f\x8b\x08\x00"), want: invalid, message: "Content-Encoding"},
		{name: "too large", texts: strings.NewReader(strings.Repeat("x", 1<<20+1)), want: ErrTooLong},
		{name: "broken", texts: failing{gone}, want: gone},
		{name: "options", texts: strings.NewReader(csv(60)), options: Options{Recipe: tune.Recipe{Method: "magic"}}, want: invalid, message: "magic"},
		{name: "read-only", texts: strings.NewReader(csv(60)), set: func(e *engine) { e.readOnly = true }, want: runtime.ErrReadOnly},
		{name: "memory", texts: strings.NewReader(csv(60)), set: func(e *engine) { e.memory = 1 << 20 }, want: runtime.ErrNoMemory},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			if c.set != nil {
				c.set(f.engine)
			}
			j := f.open()
			defer j.Close()
			_, err := j.Add(context.Background(), "mine", c.options, c.texts)
			if _, ok := errors.AsType[*InvalidError](err); c.want == invalid && !ok || c.want != invalid && !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), f.config.Dir) {
				t.Errorf("message %q, want %q in it, and no path", err, c.message)
			}
			if entries, _ := os.ReadDir(f.config.Dir); len(entries) != 1 || len(j.List()) > 0 {
				t.Errorf("the folder has %v", entries)
			}
			if f.reserved != 0 {
				t.Errorf("%d bytes are still reserved", f.reserved)
			}
		})
	}
}

// TestStoreFails: a store that refuses the delta fails the job, with a reason without paths.
func TestStoreFails(t *testing.T) {
	f := newFixture(t)
	j, _ := f.serve()
	f.putErrs = []error{fmt.Errorf("put: %w: open /var/lib/store", runtime.ErrReadOnly)}
	f.add(j, "mine", fast(2), csv(60))
	job := f.until(j, "mine", "failed", is(Failed))
	if *job.Error != runtime.ErrReadOnly.Error() {
		t.Errorf("error %q", *job.Error)
	}
}

// TestFolder: two servers do not share a folder, and what a killed server left is removed.
func TestFolder(t *testing.T) {
	f := newFixture(t)
	j := f.open()
	if _, err := Open(f.config); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("a second server: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	spool := filepath.Join(f.config.Dir, spoolPrefix+"x")
	broken := filepath.Join(f.config.Dir, "broken")
	for _, dir := range []string{spool, broken} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	j = f.open()
	defer j.Close()
	if _, err := os.Stat(spool); err == nil {
		t.Error("an unfinished upload is still there")
	}
	if len(j.List()) > 0 {
		t.Error("a folder without a job is a job")
	}
}

// TestGate: the training waits while the gate is closed, for a bounded time.
func TestGate(t *testing.T) {
	g := newGate()
	ctx := context.Background()
	if err := g.wait(ctx); err != nil {
		t.Fatal(err)
	}
	g.set(false)
	g.set(false)
	began := time.Now()
	time.AfterFunc(20*time.Millisecond, func() { g.set(true) })
	if err := g.wait(ctx); err != nil || time.Since(began) < 20*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	g.set(false)
	if began = time.Now(); g.wait(ctx) != nil || time.Since(began) < maxPause {
		t.Errorf("waited for %s, want %s", time.Since(began), maxPause)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := g.wait(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
