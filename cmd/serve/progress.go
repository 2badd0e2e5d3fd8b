package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"kenserve/internal/printable"
)

// progress shows the progress of long work: a bar on a terminal, and elsewhere a line every
// few seconds. Several goroutines may call add.
type progress struct {
	bar *progressbar.ProgressBar // nil if the output is not a terminal

	out   io.Writer
	unit  string // of the counts, as printed
	total int    // -1 if not known

	mu       sync.Mutex
	done     int
	nextLine time.Time
}

// lineInterval is the time between two lines.
const lineInterval = 5 * time.Second

func newProgress(out io.Writer, unit string, total int) *progress {
	unit = printable.Line(unit) // it may have the name of a file in it
	p := &progress{out: out, unit: unit, total: total, nextLine: time.Now().Add(lineInterval)}
	if isTerminal(out) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(bare(out)),
			progressbar.OptionSetDescription(unit),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// add reports that n more are done.
func (p *progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if now := time.Now(); now.After(p.nextLine) {
		p.nextLine = now.Add(lineInterval)
		fmt.Fprintf(p.out, "%s: %d of %d\n", p.unit, p.done, p.total)
	}
}

// finish removes the bar.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
