package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"kenserve/delta"
	"kenserve/runtime"
)

// Engine is the part of the runtime that jobs need. All methods may be called from any
// goroutine.
type Engine interface {
	// Put makes a delta the task's; see [runtime.Engine.Put].
	Put(ctx context.Context, task string, r io.Reader, size int64) (runtime.TaskInfo, error)
	// Writable returns the error that Put would have because the store is read-only.
	Writable() error
	// Reserve takes bytes from the memory of the tasks until release is called. The error is
	// a [runtime.ErrNoMemory] if too little would be left.
	Reserve(bytes int64) (release func(), err error)
	// Idle tells whether nothing is computed and nothing waits.
	Idle() bool
}

// Config configures [Jobs].
type Config struct {
	Dir       string // of the jobs; it is made if it is missing. One server at a time uses it
	BaseDir   string
	BaseBytes int64 // of the base's weights in float32
	Engine    Engine
	Workers   int          // cores of a job; 0: 1
	MaxBytes  int64        // of the texts of a job; 0: 256 MiB
	Log       *slog.Logger // nil: no log
	Producer  string       // name and version of the program, written to deltas
	// Command returns the command whose main function is [Work].
	Command func() *exec.Cmd
}

// Errors of [Jobs.Add], [Jobs.Check] and [Jobs.Cancel].
var (
	ErrActive  = errors.New("the task has a job that is queued or running; cancel it first")
	ErrFull    = errors.New("too many jobs are queued; try again when one has ended")
	ErrNoJob   = errors.New("the task has no job")
	ErrTooLong = errors.New("the texts are larger than the limit")
)

// InvalidError is an error about the texts or the options. Its message names rows and
// columns, and no path.
type InvalidError struct{ Message string }

func (e *InvalidError) Error() string { return e.Message }

const (
	maxQueued = 16
	maxEnded  = 64 // jobs that have ended, whose state is kept
)

// Jobs are the jobs of a server. Make them with [Open].
type Jobs struct {
	config   Config
	lock     *flock.Flock
	checking chan struct{} // one element while a process checks texts

	mu     sync.Mutex
	jobs   map[string]*job // by task
	wake   chan struct{}   // has an element if the queue may have grown
	counts Counts
}

// job is a job in memory. Jobs.mu guards it.
type job struct {
	record
	dir    string
	cancel context.CancelFunc // while it runs
	ended  chan struct{}      // closed when the job has ended
}

// Counts are for metrics.
type Counts struct {
	Queued, Running         int
	Steps                   uint64 // of all jobs
	Done, Failed, Cancelled uint64
}

// Open reads the folder of the jobs. Jobs that had not ended are queued again. The caller
// calls Run, and Close afterwards.
func Open(c Config) (*Jobs, error) {
	c.Workers, c.MaxBytes = cmp.Or(c.Workers, 1), cmp.Or(c.MaxBytes, 256<<20)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("tune: make the folder of the jobs: %w", err)
	}
	j := &Jobs{config: c, lock: flock.New(filepath.Join(c.Dir, "."+lockFile)), checking: make(chan struct{}, 1), jobs: map[string]*job{}, wake: make(chan struct{}, 1)}
	switch locked, err := j.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("tune: lock the folder of the jobs: %w", err)
	case !locked:
		return nil, fmt.Errorf("tune: the folder %s is used by another server; choose another one", c.Dir)
	}
	if err := j.load(); err != nil {
		_ = j.Close()
		return nil, err
	}
	return j, nil
}

// Close lets another server use the folder.
func (j *Jobs) Close() error { return j.lock.Close() }

// load reads the folder. It removes what was not complete when the server was killed.
func (j *Jobs) load() error {
	entries, err := os.ReadDir(j.config.Dir)
	if err != nil {
		return fmt.Errorf("tune: read the folder of the jobs: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(j.config.Dir, e.Name())
		if isSpool(e.Name()) {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("tune: remove an unfinished upload: %w", err)
			}
			continue
		}
		if !e.IsDir() || !delta.ValidTask(e.Name()) {
			continue
		}
		r, err := readRecord(dir)
		if err != nil || r.Task != e.Name() {
			j.config.Log.Warn("tuning: a job cannot be read and is left out", "task", e.Name(), "error", err)
			continue
		}
		x := &job{record: *r, dir: dir, ended: make(chan struct{})}
		if r.State.Final() {
			close(x.ended)
			_ = clean(dir) // the server may have been killed before it had done so
		} else {
			x.State = Queued
			if r.State == Running {
				x.Resumed++
			}
			j.signal()
		}
		j.jobs[x.Task] = x
	}
	return nil
}

func (j *Jobs) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Get returns the job of a task. The error is an ErrNoJob.
func (j *Jobs) Get(task string) (Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	x := j.jobs[task]
	if x == nil {
		return Job{}, ErrNoJob
	}
	return x.Job, nil
}

// List returns all jobs: those that have not ended first, in their order, then the last
// ended ones.
func (j *Jobs) List() []Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := make([]Job, 0, len(j.jobs))
	for _, x := range j.jobs {
		list = append(list, x.Job)
	}
	slices.SortFunc(list, func(a, b Job) int {
		if a.State.Final() != b.State.Final() {
			if b.State.Final() {
				return -1
			}
			return 1
		}
		if a.State.Final() {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(order(a.State), order(b.State)), a.Created.Compare(b.Created), cmp.Compare(a.Task, b.Task))
	})
	return list
}

// order puts the running job before those that wait.
func order(s State) int {
	if s == Queued {
		return 1
	}
	return 0
}

// Counts returns the numbers for metrics.
func (j *Jobs) Counts() Counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.counts
	for _, x := range j.jobs {
		switch x.State {
		case Queued:
			c.Queued++
		case Running:
			c.Running++
		}
	}
	return c
}

// MaxBytes is the bound on the texts of a job.
func (j *Jobs) MaxBytes() int64 { return j.config.MaxBytes }

// Add queues a job for a task with the texts that r reads. It checks them first, as Check
// does. The errors are those of Check, an ErrActive or an ErrFull.
func (j *Jobs) Add(ctx context.Context, task string, o Options, r io.Reader) (Job, error) {
	if err := j.config.Engine.Writable(); err != nil {
		return Job{}, err
	}
	if err := j.admits(task); err != nil { // before the texts are read, and again afterwards
		return Job{}, err
	}
	s, err := j.spoolChecked(ctx, task, o, r)
	if err != nil {
		return Job{}, err
	}
	defer s.remove()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.admitsLocked(task); err != nil {
		return Job{}, err
	}
	s.State = Queued
	dir := filepath.Join(j.config.Dir, task)
	if err := s.record.write(s.dir); err != nil {
		return Job{}, diskError("write the job", err)
	}
	if err := os.RemoveAll(dir); err != nil { // of an earlier job, which has ended
		return Job{}, diskError("replace the last job", err)
	}
	delete(j.jobs, task)
	if err := os.Rename(s.dir, dir); err != nil {
		return Job{}, diskError("queue the job", err)
	}
	x := &job{record: s.record, dir: dir, ended: make(chan struct{})}
	j.jobs[task] = x
	j.config.Log.Info("tuning queued", "task", task, "texts", x.Data.Train+x.Data.Dev, "bytes", x.Bytes)
	j.signal()
	return x.Job, nil
}

// Check reads the texts that r reads, and says what a job with them would begin with. The
// error is an *InvalidError with the row if they cannot be used, an ErrTooLong, a
// [runtime.ErrNoSpace] or [runtime.ErrNoMemory].
func (j *Jobs) Check(ctx context.Context, task string, o Options, r io.Reader) (Job, error) {
	s, err := j.spoolChecked(ctx, task, o, r)
	if err != nil {
		return Job{}, err
	}
	defer s.remove()
	s.State = Checked
	return s.Job, nil
}

// spoolChecked spools the texts that r reads, and checks them. The caller removes them.
func (j *Jobs) spoolChecked(ctx context.Context, task string, o Options, r io.Reader) (*spooled, error) {
	s, err := j.spool(ctx, task, o, r)
	if err != nil {
		return nil, err
	}
	if err := j.check(ctx, s); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (j *Jobs) admits(task string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.admitsLocked(task)
}

func (j *Jobs) admitsLocked(task string) error {
	if x := j.jobs[task]; x != nil && !x.State.Final() {
		return ErrActive
	}
	queued := 0
	for _, x := range j.jobs {
		if x.State == Queued {
			queued++
		}
	}
	if queued >= maxQueued {
		return ErrFull
	}
	return nil
}

// Cancel cancels the job of a task that is queued or running, and returns when it has
// ended. It forgets a job that has ended before. The error is an ErrNoJob or ctx's.
func (j *Jobs) Cancel(ctx context.Context, task string) error {
	j.mu.Lock()
	x := j.jobs[task]
	if x == nil {
		j.mu.Unlock()
		return ErrNoJob
	}
	if x.State.Final() {
		delete(j.jobs, task)
		j.mu.Unlock()
		return os.RemoveAll(x.dir)
	}
	if cancel := x.cancel; cancel != nil {
		j.mu.Unlock()
		cancel()
		select {
		case <-x.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	j.endLocked(x, Cancelled, "")
	j.mu.Unlock()
	return nil
}

// endLocked ends a job, and removes the oldest ones beyond the bound.
func (j *Jobs) endLocked(x *job, state State, reason string) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	x.State, x.Finished, x.cancel = state, &now, nil
	attrs := []any{"task", x.Task}
	if reason != "" {
		x.Error = &reason
		attrs = append(attrs, "error", reason)
	}
	if x.Started != nil {
		attrs = append(attrs, "took", now.Sub(*x.Started))
	}
	switch state {
	case Done:
		j.counts.Done++
	case Failed:
		j.counts.Failed++
	case Cancelled:
		j.counts.Cancelled++
	}
	level := slog.LevelInfo
	if state == Failed {
		level = slog.LevelWarn
	}
	j.config.Log.Log(context.Background(), level, "tuning "+string(state), attrs...)
	if err := errors.Join(x.record.write(x.dir), clean(x.dir)); err != nil {
		j.config.Log.Warn("tuning: the files of a job that has ended cannot be removed", "task", x.Task, "error", err)
	}
	close(x.ended)
	var ended []*job
	for _, e := range j.jobs {
		if e.State.Final() {
			ended = append(ended, e)
		}
	}
	slices.SortFunc(ended, func(a, b *job) int { return b.Finished.Compare(*a.Finished) })
	for _, e := range ended[min(len(ended), maxEnded):] {
		delete(j.jobs, e.Task)
		_ = os.RemoveAll(e.dir)
	}
}

// diskError is a [runtime.ErrNoSpace] if a disk is full.
func diskError(doing string, err error) error {
	if full(err) {
		err = fmt.Errorf("%w: %w", runtime.ErrNoSpace, err)
	}
	return fmt.Errorf("tune: %s: %w", doing, err)
}
