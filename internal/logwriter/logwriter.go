// Package logwriter writes a log without ever making its writers wait.
//
// A log goes to a pipe, a terminal or a disk that somebody else reads or provides.
// If that reader stops, a program that writes its log directly stops too, request by
// request. A [Writer] takes lines into a bounded queue; a goroutine of its own writes
// them out. Lines that do not fit are lost and counted. When writing works again, one
// line says how many were lost.
package logwriter

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// queueBytes bounds the lines that wait, in bytes.
const queueBytes = 1 << 20

// Writer is an io.Writer for a log. Each call of Write is a line, or several.
type Writer struct {
	out io.Writer
	// lost returns the line that reports n lost lines.
	lost func(n uint64) []byte

	total atomic.Uint64 // lines lost so far

	mu      sync.Mutex
	queue   []byte // lines that wait
	lines   uint64 // of queue
	missing uint64 // lines lost since the last report
	closed  bool
	wake    chan struct{} // has an element while there is something to do
	done    chan struct{} // closed when the goroutine has ended
}

// New returns a writer to out. Its goroutine ends with [Writer.Close]. report makes
// the line that says that n lines were lost.
func New(out io.Writer, report func(n uint64) []byte) *Writer {
	w := &Writer{out: out, lost: report, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Write queues a copy of p, or loses it. It never waits for the log's reader, and
// never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.closed || len(w.queue)+len(p) > queueBytes {
		w.loseLocked(1)
	} else {
		w.queue = append(w.queue, p...)
		w.lines++
	}
	w.mu.Unlock()
	w.signal()
	return len(p), nil
}

// Lost returns how many lines were lost so far.
func (w *Writer) Lost() uint64 { return w.total.Load() }

// Close writes what is queued, for at most the time limit, and ends the writer. If
// the reader takes nothing for so long, the goroutine stays in its write, which only
// the end of the process ends. Later lines are lost.
func (w *Writer) Close(limit time.Duration) {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	select {
	case <-w.done:
	case <-time.After(limit):
	}
}

func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Writer) loseLocked(lines uint64) {
	w.missing += lines
	w.total.Add(lines)
}

// run writes what is queued until the writer is closed.
func (w *Writer) run() {
	defer close(w.done)
	var spare []byte // swapped with the queue, so that neither is allocated again
	for range w.wake {
		for {
			w.mu.Lock()
			batch, lines := w.queue, w.lines
			w.queue, w.lines = spare[:0], 0
			missing, closed := w.missing, w.closed
			w.mu.Unlock()
			if len(batch) == 0 {
				spare = batch
				if closed {
					return
				}
				break
			}
			_, err := w.out.Write(batch)
			spare = batch
			w.mu.Lock()
			if err != nil {
				w.loseLocked(lines)
			}
			w.mu.Unlock()
			if err == nil && missing > 0 {
				w.report(missing)
			}
		}
	}
}

// report writes that lines were lost.
func (w *Writer) report(missing uint64) {
	if _, err := w.out.Write(w.lost(missing)); err == nil {
		w.mu.Lock()
		w.missing -= missing
		w.mu.Unlock()
	}
}
