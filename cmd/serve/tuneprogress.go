package main

import (
	"fmt"
	"io"
	"time"

	"kenserve/tune"
)

// tuneProgress shows the progress of a training in one line: on a terminal a line that
// changes, elsewhere a line every few seconds and for every evaluation.
type tuneProgress struct {
	out      io.Writer
	terminal bool
	nextLine time.Time
}

// stages are the names of stages for people.
var stages = map[string]string{
	"head": "head only", "measure": "choosing weights", "full": "full, to choose weights", "contrastive": "contrastive", "train": "training", "prune": "pruning",
}

// show is called after every step.
func (p *tuneProgress) show(t tune.Progress) {
	now := time.Now()
	if now.Before(p.nextLine) && (p.terminal || t.Point == nil) {
		return
	}
	interval := lineInterval
	if p.terminal {
		interval = 200 * time.Millisecond
	}
	p.nextLine = now.Add(interval)
	line := tuneLine(t)
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(p.out, line)
	}
}

// tuneLine describes the state of a training.
func tuneLine(t tune.Progress) string {
	line := ""
	if t.Trials > 1 {
		line = fmt.Sprintf("recipe %d of %d, ", t.Trial, t.Trials)
	}
	line += stages[t.Stage]
	if t.Stage == "prune" {
		return fmt.Sprintf("%s: delta %d, accuracy %.4f", line, t.Step, t.Score)
	}
	line += fmt.Sprintf(": step %d of %d, loss %.4f", t.Step, t.Steps, t.Loss)
	if t.Best != 0 || t.Score != 0 {
		line += fmt.Sprintf(", dev score %.4f (best %.4f)", t.Score, t.Best)
	}
	if t.TextsPerSecond > 0 {
		line += fmt.Sprintf(", %.0f texts/s", t.TextsPerSecond)
	}
	if t.Left > 0 {
		line += fmt.Sprintf(", %s left", t.Left.Round(time.Second))
	}
	return line
}

// finish removes the line from a terminal.
func (p *tuneProgress) finish() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
