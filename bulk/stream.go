package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"kenserve/dataset"
	"kenserve/runtime"
)

// Bounds of what [Classifier.Stream] keeps in memory.
const (
	batchBytes = 4 << 20 // of texts in a batch; a batch has one row at least
	inFlight   = 4       // batches that are read, computed or written at a time
)

// Batch is a batch of rows with their scores.
type Batch struct {
	Rows     []dataset.Row
	Result   *runtime.Result // of Rows, in their order
	Position int64           // bytes of the file that had been read with the last row
}

// Stream classifies the rows that a reader has left, and calls f with one batch after
// the other, in order. Reading, tokenising, computing and f run side by side on
// different batches. If a row fails, f is called with the batches before its own, and
// Stream returns the error, which names the row. Stream reads up to inFlight batches
// ahead of f.
func (c *Classifier) Stream(ctx context.Context, in *dataset.Reader, o runtime.Options, f func(*Batch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{classifier: c, in: in, options: o, jobs: make(chan *job, inFlight), slots: make(chan struct{}, inFlight)}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		defer close(s.jobs)
		s.readErr = s.read(ctx)
	}()
	err := s.deliver(ctx, f)
	cancel()
	s.stop()
	if in.Size() >= 0 {
		<-reading // reading a regular file ends soon; standard input could wait for ever
	}
	return err
}

// stream is the work of one call of Stream.
type stream struct {
	classifier *Classifier
	in         *dataset.Reader
	options    runtime.Options

	jobs    chan *job     // in order; it has room for as many as slots
	slots   chan struct{} // one for each batch, from before it is read until f has returned
	readErr error         // valid after jobs is closed

	mu      sync.Mutex
	stopped bool
	running sync.WaitGroup // calls of the engine
}

// job is a batch on its way.
type job struct {
	batch *Batch
	err   error
	done  chan struct{} // closed when batch.Result or err is set
}

// read reads batches and starts to classify each, until the end of the file.
func (s *stream) read(ctx context.Context) error {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		rows, err := readBatch(s.in)
		if len(rows) > 0 && !s.start(ctx, rows) {
			return ctx.Err()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// start starts to classify rows. It reports false after stop.
func (s *stream) start(ctx context.Context, rows []dataset.Row) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	j := &job{batch: &Batch{Rows: rows, Position: s.in.Position()}, done: make(chan struct{})}
	s.running.Go(func() {
		defer close(j.done)
		j.batch.Result, j.err = s.classifier.classify(ctx, s.in, rows, s.options)
	})
	s.jobs <- j
	return true
}

// deliver calls f with the batches in order.
func (s *stream) deliver(ctx context.Context, f func(*Batch) error) error {
	for {
		select {
		case j, ok := <-s.jobs:
			if !ok {
				return s.readErr
			}
			<-j.done
			if j.err != nil {
				return j.err
			}
			if err := f(j.batch); err != nil {
				return err
			}
			<-s.slots
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop waits for the engine's calls, and lets no other one begin.
func (s *stream) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.running.Wait()
}

// readBatch reads up to BatchTexts rows. If the reader fails, the rows before that are
// returned with its error.
func readBatch(in *dataset.Reader) ([]dataset.Row, error) {
	var rows []dataset.Row
	for size := 0; len(rows) < BatchTexts && size < batchBytes; {
		row, err := in.Read()
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
		size += len(row.Text)
		if row.Pair != nil {
			size += len(*row.Pair)
		}
	}
	return rows, nil
}

// classify classifies rows. If the error is about one of them, it names that row.
func (c *Classifier) classify(ctx context.Context, in *dataset.Reader, rows []dataset.Row, o runtime.Options) (*runtime.Result, error) {
	r, err := c.Engine.Classify(ctx, c.Task, Inputs(rows), o)
	var input *runtime.InputError
	if errors.As(err, &input) {
		return nil, fmt.Errorf("classify %w", in.At(rows[input.Index], err))
	}
	return r, Reason(err)
}

// Inputs returns the texts of rows as inputs of an engine.
func Inputs(rows []dataset.Row) []runtime.Input {
	out := make([]runtime.Input, len(rows))
	for i, row := range rows {
		out[i] = runtime.Input{Text: row.Text, Pair: row.Pair}
	}
	return out
}
