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
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"kenserve/tune"
)

// work is the first line of what the server writes to the process of a job. One byte for
// each change of the server's load follows: pause or proceed. The end of the file means
// that the server is gone, or cancels the job.
type work struct {
	Dir      string
	Task     string
	Base     string
	Options  Options
	Workers  int
	Memory   int64
	Check    bool // only read the texts and check them
	Producer string
}

const (
	pause   = 'p'
	proceed = 'g'
)

// event is a line that the process of a job writes.
type event struct {
	Reads    string           `json:",omitempty"`
	Ignored  []string         `json:",omitempty"`
	Data     *tune.DataReport `json:",omitempty"`
	Progress *Progress        `json:",omitempty"`
	Point    *tune.Point      `json:",omitempty"`
	Report   json.RawMessage  `json:",omitempty"` // a tune.Report
	Error    string           `json:",omitempty"`
	Invalid  bool             `json:",omitempty"` // the texts or the options are at fault
}

// errChecked ends a run whose texts are only to be checked.
var errChecked = errors.New("checked")

// errEnds is the cause of the end of a job whose server is gone, or has cancelled it.
var errEnds = errors.New("the server ended the job")

// progressInterval is the time between two events of progress.
const progressInterval = 250 * time.Millisecond

// lockTimeout bounds the wait for another process of the same job, whose server was killed.
const lockTimeout = time.Minute

// Work runs the job that in describes and writes its events to out. It is the main function
// of a job's process. It returns when the job is done or has failed, which the events say,
// or when in ends. The error is about in and out.
func Work(ctx context.Context, in io.Reader, out io.Writer) error {
	lowerPriority()
	return obey(ctx, in, out)
}

// obey is Work without the low priority.
func obey(ctx context.Context, in io.Reader, out io.Writer) error {
	orders := bufio.NewReader(in)
	line, err := orders.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("tune: read the job: %w", err)
	}
	var w work
	if err := json.Unmarshal(line, &w); err != nil {
		return fmt.Errorf("tune: read the job: %w", err)
	}
	debug.SetMemoryLimit(w.Memory)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gate := newGate()
	go func() { // ends with the process: a read cannot be interrupted
		for {
			switch b, err := orders.ReadByte(); {
			case err != nil:
				cancel(errEnds)
				return
			case b == pause || b == proceed:
				gate.set(b == proceed)
			}
		}
	}()
	encoder := json.NewEncoder(out)
	send := func(e event) error { return encoder.Encode(e) }
	report, invalid, err := w.run(ctx, gate, send)
	switch {
	case errors.Is(err, errChecked):
		return nil
	case errors.Is(context.Cause(ctx), errEnds):
		return errEnds
	case err != nil:
		return send(event{Error: w.clear(err.Error()), Invalid: invalid})
	}
	text, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("tune: encode the report: %w", err)
	}
	return send(event{Report: text})
}

// clear removes what a client must not see from an error: where files are.
func (w *work) clear(message string) string {
	for _, replace := range [][2]string{{w.Dir + string(filepath.Separator), ""}, {w.Dir, "the job's folder"}, {w.Base, "the base"}} {
		if replace[0] != "" {
			message = strings.ReplaceAll(message, replace[0], replace[1])
		}
	}
	return strings.TrimPrefix(message, "tune: ")
}

// run tunes. An error before the training starts is probably one of the texts or the
// options; invalid says so.
func (w *work) run(ctx context.Context, gate *gate, send func(event) error) (report *tune.Report, invalid bool, err error) {
	lock := flock.New(filepath.Join(w.Dir, lockFile))
	locking, stop := context.WithTimeout(ctx, lockTimeout)
	defer stop()
	if _, err := lock.TryLockContext(locking, 100*time.Millisecond); err != nil {
		return nil, false, fmt.Errorf("another process still has the job: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	f, err := os.Open(filepath.Join(w.Dir, dataFile))
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	o := w.Options.tuning(w.Dir, w.Task, w.Base)
	if o.Train, err = w.Options.reader(f); err != nil {
		return nil, true, err
	}
	defer o.Train.Close()
	o.Workers, o.Producer, o.Between = w.Workers, w.Producer, gate.wait
	invalid = true
	var sent time.Time
	report, err = tune.Run(ctx, o, tune.Events{
		Data: func(d *tune.DataReport) error {
			invalid = false
			if err := send(event{Reads: o.Train.Describe(), Ignored: o.Train.Ignored(), Data: d}); err != nil {
				return err
			}
			if w.Check {
				return errChecked
			}
			return nil
		},
		Progress: func(p tune.Progress) {
			last := p.Step == p.Steps
			if p.Point == nil && !last && time.Since(sent) < progressInterval {
				return
			}
			sent = time.Now()
			// If the server is gone, the end of the orders ends the run.
			_ = send(event{Point: p.Point, Progress: &Progress{
				Stage: p.Stage, Step: p.Step, Steps: p.Steps, Loss: p.Loss, Score: p.Score, Best: p.Best,
				TextsPerSecond: p.TextsPerSecond, SecondsLeft: p.Left.Seconds(),
			}})
			if last && p.Stage == "train" {
				_ = send(event{Progress: &Progress{Stage: "finishing", Step: p.Step, Steps: p.Steps, Loss: p.Loss, Score: p.Score, Best: p.Best, TextsPerSecond: p.TextsPerSecond}})
			}
		},
	})
	if report != nil {
		report.File = filepath.Base(report.File)
		for i := range report.Mistakes {
			report.Mistakes[i].Text = shorten(report.Mistakes[i].Text)
		}
	}
	return report, invalid, err
}

// maxShown bounds a text in a report.
const maxShown = 500

func shorten(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}

// gate lets the training wait while the server computes.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed: the training goes on
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !open {
			g.open = make(chan struct{})
		}
	default:
		if open {
			close(g.open)
		}
	}
}

// maxPause bounds one wait. A server that always computes must not stop the job for ever;
// the low priority of the process still protects the requests.
const maxPause = 500 * time.Millisecond

// wait is [tune.Options.Between].
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return nil
	default:
	}
	select {
	case <-open:
	case <-time.After(maxPause):
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
