package main

import (
	"fmt"
	"io"
	"time"

	"kenserve/bulk"
)

// readProgress shows how far a file of texts is classified: the texts, their rate and, if the
// file's size is known, the share of its bytes and the time left. On a terminal it is a line
// that changes, elsewhere a line every few seconds. Only one goroutine may call its methods.
type readProgress struct {
	out      io.Writer
	terminal bool
	size     int64 // of the file; -1 if not known

	began    time.Time
	first    int64 // the position at which this run began
	texts    int   // of this run
	before   int   // of an earlier run
	nextLine time.Time
}

// newReadProgress begins at a position in the file, with the texts that an earlier run has
// classified.
func newReadProgress(out io.Writer, size, position int64, before int) *readProgress {
	p := &readProgress{out: out, terminal: isTerminal(out), size: size, began: time.Now(), first: position, before: before}
	p.nextLine = p.began.Add(p.interval())
	return p
}

func (p *readProgress) interval() time.Duration {
	if p.terminal {
		return 200 * time.Millisecond
	}
	return lineInterval
}

// add reports that a batch is done.
func (p *readProgress) add(b *bulk.Batch) {
	p.texts += len(b.Rows)
	now := time.Now()
	if now.Before(p.nextLine) {
		return
	}
	p.nextLine = now.Add(p.interval())
	line := p.line(b.Position, now.Sub(p.began))
	if p.terminal {
		fmt.Fprintf(bare(p.out), "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(p.out, line)
	}
}

// line describes the state after some time at a position of the file.
func (p *readProgress) line(position int64, elapsed time.Duration) string {
	rate := float64(p.texts) / elapsed.Seconds()
	if p.size <= 0 {
		return fmt.Sprintf("texts: %d, %.0f a second", p.before+p.texts, rate)
	}
	line := fmt.Sprintf("texts: %d, %.0f%% of the file, %.0f a second", p.before+p.texts, 100*float64(position)/float64(p.size), rate)
	if done := position - p.first; done > 0 {
		left := time.Duration(float64(elapsed) * float64(p.size-position) / float64(done))
		line += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return line
}

// finish removes the line from a terminal.
func (p *readProgress) finish() {
	if p.terminal {
		fmt.Fprint(bare(p.out), "\r\x1b[K")
	}
}
