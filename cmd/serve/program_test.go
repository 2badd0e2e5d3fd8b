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

	"kenserve/internal/tiny"
)

// world is a folder with a tiny base, a store with tasks of two labels, and the
// program.
type world struct {
	program, base, store string
}

func newWorld(t *testing.T, tasks ...string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{filepath.Join(dir, "kenserve"), filepath.Join(dir, "base"), filepath.Join(dir, "store")}
	self, err := os.Executable()
	if err == nil {
		err = errors.Join(tiny.WriteBase(w.base, 1), os.Mkdir(w.store, 0o755), os.Symlink(self, w.program)) // the test binary is kenserve under this name
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

// running is the program while it serves.
type running struct {
	command                *exec.Cmd
	address, grpc, metrics string // as the log told them

	mu  sync.Mutex
	log bytes.Buffer
	end chan struct{} // the log has ended
}

// start runs the program until it serves. It logs in JSON.
func (w *world) start(t *testing.T, env []string, args ...string) *running {
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

// Write collects the log.
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

// stop asks the program to end and returns how it did.
func (r *running) stop(t *testing.T) error {
	t.Helper()
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.end
	return r.command.Wait()
}

// host is the address without its scheme.
func (r *running) host() string { return strings.TrimPrefix(r.address, "http://") }
