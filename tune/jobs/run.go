package jobs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/tune"
)

// Run runs the queued jobs, one after the other, until ctx ends. A job that runs then goes
// on after the next [Open].
func (j *Jobs) Run(ctx context.Context) error {
	for {
		x, running := j.next(ctx)
		if x != nil {
			j.run(ctx, running, x)
			continue
		}
		select {
		case <-j.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// next starts the oldest queued job; nil: there is none, or ctx has ended.
func (j *Jobs) next(ctx context.Context) (*job, context.Context) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var first *job
	for _, x := range j.jobs {
		// A job that was interrupted is the oldest that has started.
		if x.State == Queued && (first == nil || x.before(first)) {
			first = x
		}
	}
	if first == nil || ctx.Err() != nil {
		return nil, nil
	}
	var running context.Context
	running, first.cancel = context.WithCancel(ctx)
	first.State = Running
	if first.Started == nil {
		now := time.Now().UTC().Truncate(time.Millisecond)
		first.Started = &now
	}
	first.Progress = &Progress{Stage: "reading"}
	j.write(first)
	j.config.Log.Info("tuning started", "task", first.Task, "resumed", first.Resumed)
	return first, running
}

func (x *job) before(y *job) bool {
	if (x.Started == nil) != (y.Started == nil) {
		return x.Started != nil
	}
	return x.Created.Before(y.Created)
}

// write writes the state of a job. A job whose state cannot be written goes on: after a
// restart it would only show less.
func (j *Jobs) write(x *job) {
	if err := x.record.write(x.dir); err != nil {
		j.config.Log.Warn("tuning: the state of a job cannot be written", "task", x.Task, "error", err)
	}
}

// maxKilled is how often the process of a job may be killed before the job fails.
const maxKilled = 2

// run runs a job until it has ended or ctx ends. running ends when the job is cancelled, too.
func (j *Jobs) run(ctx, running context.Context, x *job) {
	defer x.cancel()
	err := j.tune(running, x)
	if err == nil {
		err = j.store(running, x)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err == nil:
		j.endLocked(x, Done, "")
	case ctx.Err() != nil: // the server ends; the job goes on later
		x.cancel = nil
		j.write(x)
	case running.Err() != nil:
		j.endLocked(x, Cancelled, "")
	default:
		j.endLocked(x, Failed, reason(err))
	}
}

// reason is an error for clients. Errors of the store may name files.
func reason(err error) string {
	for _, e := range []error{runtime.ErrReadOnly, runtime.ErrNoSpace, runtime.ErrStoreAway} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "runtime: "), "tune: ")
}

// tune runs the process of a job until its delta is written.
func (j *Jobs) tune(ctx context.Context, x *job) error {
	release, err := j.config.Engine.Reserve(x.Options.memory(j.config.BaseBytes, x.Bytes))
	if err != nil {
		return err
	}
	defer release()
	for killed := 0; ; killed++ {
		var failed string
		err := j.process(ctx, &x.record, x.dir, false, func(e event) {
			if e.Error != "" {
				failed = e.Error
				return
			}
			j.apply(x, e)
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case failed != "":
			return errors.New(failed)
		case err == nil && x.Report != nil:
			return nil
		case killed == maxKilled:
			return fmt.Errorf("the process of the job was ended %d times, perhaps because there was too little memory: %w", killed+1, err)
		}
		j.config.Log.Warn("tuning: the process of a job was ended; it goes on from its checkpoint", "task", x.Task, "error", err)
	}
}

// apply applies an event to the state of a job.
func (j *Jobs) apply(x *job, e event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case e.Report != nil:
		x.Report = e.Report
	case e.Data != nil:
		x.read(e)
	case e.Progress != nil:
		if old := x.Progress; old.Stage == e.Progress.Stage && e.Progress.Step > old.Step {
			j.counts.Steps += uint64(e.Progress.Step - old.Step)
		}
		x.Progress = e.Progress
	}
	if e.Point != nil {
		x.point(*e.Point)
	}
	if e.Point != nil || e.Report != nil {
		j.write(x)
	}
}

// read takes over what the process has found out about the texts.
func (r *record) read(e event) {
	r.Reads, r.Ignored, r.Data = e.Reads, e.Ignored, e.Data
	if r.Ignored == nil {
		r.Ignored = []string{}
	}
	if r.Data.Findings == nil {
		r.Data.Findings = []tune.Finding{}
	}
}

// Waits before a delta is stored again, if the store cannot be reached.
const (
	storeTries = 10
	storePause = 10 * time.Second
)

// store puts the delta of a job into the store, with the checks of an upload.
func (j *Jobs) store(ctx context.Context, x *job) error {
	j.mu.Lock()
	x.Progress = &Progress{Stage: "storing", Step: x.Progress.Step, Steps: x.Progress.Steps, Loss: x.Progress.Loss, Score: x.Progress.Score, Best: x.Progress.Best, TextsPerSecond: x.Progress.TextsPerSecond}
	j.mu.Unlock()
	for try := 1; ; try++ {
		err := j.put(ctx, x)
		if err == nil || try == storeTries || !errors.Is(err, runtime.ErrStoreAway) && !full(err) {
			return err
		}
		j.config.Log.Warn("tuning: the delta cannot be stored now", "task", x.Task, "error", err)
		select {
		case <-time.After(storePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (j *Jobs) put(ctx context.Context, x *job) error {
	f, err := os.Open(filepath.Join(x.dir, x.Task+delta.Extension))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = j.config.Engine.Put(ctx, x.Task, f, info.Size())
	return err
}

// Times of the process of a job.
const (
	watchInterval = 5 * time.Millisecond // between two looks at the server's load
	endTimeout    = 5 * time.Second      // to end by itself after its orders have ended
)

// maxEvent bounds a line of the process.
const maxEvent = 16 << 20

// process runs the process of a job and calls f with its events, until it ends. It tells
// the process when the server computes.
func (j *Jobs) process(ctx context.Context, r *record, dir string, check bool, f func(event)) error {
	c := j.config.Command()
	isolate(c)
	orders, err := c.StdinPipe()
	if err != nil {
		return fmt.Errorf("tune: start the process of the job: %w", err)
	}
	events, err := c.StdoutPipe()
	if err != nil {
		return fmt.Errorf("tune: start the process of the job: %w", err)
	}
	messages := &tail{}
	c.Stderr = messages
	if err := c.Start(); err != nil {
		return fmt.Errorf("tune: start the process of the job: %w", err)
	}
	var watching sync.WaitGroup
	ended := make(chan struct{})
	watching.Go(func() {
		defer orders.Close()
		w := work{
			Dir: dir, Task: r.Task, Base: j.config.BaseDir, Options: r.Options, Workers: j.config.Workers,
			Memory: r.Options.memory(j.config.BaseBytes, r.Bytes), Check: check, Producer: j.config.Producer,
		}
		if json.NewEncoder(orders).Encode(w) != nil {
			return // the process has ended
		}
		j.watch(ctx, ended, orders)
		_ = orders.Close()
		select {
		case <-ended:
		case <-time.After(endTimeout):
			_ = c.Process.Kill()
		}
	})
	var broken error
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		var e event
		if broken = json.Unmarshal(lines.Bytes(), &e); broken != nil {
			break
		}
		f(e)
	}
	if broken = errors.Join(broken, lines.Err()); broken != nil {
		_ = c.Process.Kill()
	}
	err = c.Wait()
	close(ended)
	watching.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case broken != nil:
		return fmt.Errorf("read what the process of the job writes: %w", broken)
	case err != nil:
		return fmt.Errorf("the process of the job: %w %s", err, messages)
	}
	return nil
}

// watch tells the process of a job whether it may compute, until ctx or the process ends.
func (j *Jobs) watch(ctx context.Context, ended <-chan struct{}, orders io.Writer) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-tick.C:
		}
		if busy := !j.config.Engine.Idle(); busy != waiting {
			waiting = busy
			order := []byte{proceed}
			if busy {
				order[0] = pause
			}
			if _, err := orders.Write(order); err != nil {
				return
			}
		}
	}
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

const maxTail = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-maxTail):]
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }
