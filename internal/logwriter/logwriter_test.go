package logwriter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func report(n uint64) []byte { return fmt.Appendf(nil, "lost %d\n", n) }

// pipe is a log whose reader can stall and fail.
type pipe struct {
	mu      sync.Mutex
	gate    chan struct{} // Write waits until it is closed; nil: it does not wait
	stalled chan struct{} // gets an element for each Write that waits; nil: nobody looks
	err     error
	buf     bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	if gate != nil {
		if p.stalled != nil {
			p.stalled <- struct{}{}
		}
		<-gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	return p.buf.Write(b)
}

func (p *pipe) set(gate chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate, p.err = gate, err
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

func TestLinesInOrder(t *testing.T) {
	p := &pipe{}
	w := New(p, report)
	want := ""
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want += line
		if n, err := io.WriteString(w, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.Close(10 * time.Second)
	if p.String() != want || w.Lost() != 0 {
		t.Errorf("%d bytes, want %d; %d lines lost", len(p.String()), len(want), w.Lost())
	}
	_, _ = io.WriteString(w, "late\n")
	if w.Lost() != 1 || strings.Contains(p.String(), "late") {
		t.Errorf("after the end: %d lines lost", w.Lost())
	}
}

// A reader that stalls costs lines, never time, and then learns how many.
func TestStall(t *testing.T) {
	p, gate := &pipe{stalled: make(chan struct{}, 1)}, make(chan struct{})
	p.set(gate, nil)
	w := New(p, report)
	line := strings.Repeat("x", 1023) + "\n"
	const lines = 4 * queueBytes / 1024
	start := time.Now()
	_, _ = io.WriteString(w, line)
	<-p.stalled // so that all lines are lost while one write waits, and are reported together
	for range lines - 1 {
		_, _ = io.WriteString(w, line)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%d lines took %s", lines, took)
	}
	lost := w.Lost()
	if lost < lines/2 || lost >= lines {
		t.Errorf("%d of %d lines lost", lost, lines)
	}
	p.set(nil, nil)
	close(gate)
	w.Close(10 * time.Second)
	written, rest, _ := strings.Cut(p.String(), "lost ")
	if got := uint64(strings.Count(written+rest, line)); got != lines-lost {
		t.Errorf("%d lines written, want %d", got, lines-lost)
	}
	if !strings.HasPrefix(rest, fmt.Sprintf("%d\n", lost)) {
		t.Errorf("the log says: lost %.20q; want %d", rest, lost)
	}
}

// A closed pipe or a full disk costs lines until it works again.
func TestFailure(t *testing.T) {
	p := &pipe{}
	p.set(nil, errors.New("broken pipe"))
	w := New(p, report)
	for i := range uint64(3) {
		_, _ = io.WriteString(w, "gone\n")
		for w.Lost() != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	p.set(nil, nil)
	_, _ = io.WriteString(w, "back\n")
	w.Close(10 * time.Second)
	if got := p.String(); got != "back\nlost 3\n" {
		t.Errorf("log %q", got)
	}
}

// The end waits for a stalled reader only so long.
func TestCloseIsBounded(t *testing.T) {
	p, gate := &pipe{}, make(chan struct{})
	p.set(gate, nil)
	w := New(p, report)
	_, _ = io.WriteString(w, "line\n")
	start := time.Now()
	w.Close(20 * time.Millisecond)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Close took %s", took)
	}
	close(gate)
	<-w.done
}
