package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kenserve/models/tiny"
)

// fixture is a folder with a tiny base, a store of tasks with two labels each, and the
// program.
type fixture struct {
	program, base, store string
}

func newFixture(t *testing.T, tasks ...string) *fixture {
	t.Helper()
	dir := t.TempDir()
	w := &fixture{filepath.Join(dir, "kenserve"), filepath.Join(dir, "base"), filepath.Join(dir, "store")}
	self, err := os.Executable()
	if err == nil {
		err = errors.Join(tiny.WriteBase(w.base, 1), os.Mkdir(w.store, 0o755), os.Symlink(self, w.program)) // under this name the test binary runs main
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, task := range tasks {
		tuned := filepath.Join(dir, "tuned", task)
		if err := tiny.WriteTuned(tuned, w.base, []string{"yes", "no"}, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(w.program, "prune", "--base", w.base, "--tuned", tuned, "--out", filepath.Join(w.store, task+".ken")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return w
}

// running is a program that serves.
type running struct {
	command                *exec.Cmd
	address, grpc, metrics string // from the log

	mu  sync.Mutex
	log bytes.Buffer
	end chan struct{} // closed after the end of the log
}

// start starts the program and waits until it serves. Its log is JSON.
func (w *fixture) start(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	r := &running{command: exec.CommandContext(ctx, w.program, args...), end: make(chan struct{})}
	r.command.Env = append(os.Environ(), append([]string{"KENSERVE_LOG_FORMAT=json"}, env...)...)
	out, err := r.command.StderrPipe()
	if err == nil {
		err = r.command.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		<-r.end
		_ = r.command.Wait()
	})
	lines := json.NewDecoder(io.TeeReader(out, r))
	for r.address == "" {
		var line struct{ Msg, Address, GRPC, Admin string }
		if err := lines.Decode(&line); err != nil {
			close(r.end)
			t.Fatalf("%v: %s", err, r.text())
		}
		r.address, r.grpc, r.metrics = line.Address, line.GRPC, line.Admin
	}
	go func() {
		defer close(r.end)
		_, _ = io.Copy(r, out)
	}()
	return r
}

// Write appends to the log; it implements io.Writer.
func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *running) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// stop sends SIGTERM and returns the exit error.
func (r *running) stop(t *testing.T) error {
	t.Helper()
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.end
	return r.command.Wait()
}

// host returns the address without the scheme.
func (r *running) host() string { return strings.TrimPrefix(r.address, "http://") }
