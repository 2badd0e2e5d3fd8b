package servertest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"kenserve/delta"
	"kenserve/runtime"
)

// Load records or makes the change.
func (e *Engine) Load(_ context.Context, task string) error {
	e.Did = append(e.Did, "load "+task)
	return e.MoveErr
}

// Unload records or makes the change.
func (e *Engine) Unload(_ context.Context, task string) error {
	e.Did = append(e.Did, "unload "+task)
	return e.MoveErr
}

// Put records or makes the change.
func (e *Engine) Put(ctx context.Context, task string, r io.Reader, size int64) (runtime.TaskInfo, error) {
	if e.Entered != nil {
		e.Entered <- struct{}{}
		<-e.Leave
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.Sizes = append(e.Sizes, size)
	b, err := io.ReadAll(r)
	if err != nil {
		return runtime.TaskInfo{}, fmt.Errorf("runtime: put task %s: spool to /var/lib/store: %w", task, err)
	}
	return e.put(ctx, task, string(b))
}

// put makes content the delta of a task.
func (e *Engine) put(ctx context.Context, task, content string) (runtime.TaskInfo, error) {
	switch {
	case ctx.Err() != nil:
		return runtime.TaskInfo{}, ctx.Err()
	case e.ReadOnly:
		return runtime.TaskInfo{}, fmt.Errorf("runtime: put task %s: %w: open /var/lib/store: permission denied", task, runtime.ErrReadOnly)
	case strings.HasPrefix(content, "bad"):
		return runtime.TaskInfo{}, fmt.Errorf("runtime: task %s: %w: its delta is damaged", task, runtime.ErrTaskUnusable)
	}
	e.Deltas[task], e.Labels[task] = content, strings.Split(content, ",")
	info, _ := e.Task(task)
	info.Labels = e.Labels[task]
	return info, nil
}

// Copy records or makes the change.
func (e *Engine) Copy(ctx context.Context, task, source string) (runtime.TaskInfo, error) {
	content, ok := e.Deltas[source]
	if !ok {
		return runtime.TaskInfo{}, fmt.Errorf("runtime: task %s: %w", source, runtime.ErrNoTask)
	}
	return e.put(ctx, task, content)
}

// Inspect fails: tests that need it replace it.
func (e *Engine) Inspect(context.Context, string, func(*delta.Delta, delta.Tensors) error) error {
	return errors.New("this engine has no deltas to look into")
}

// Remove records or makes the change.
func (e *Engine) Remove(_ context.Context, task string) error {
	if e.ReadOnly {
		return runtime.ErrReadOnly
	}
	delete(e.Deltas, task)
	delete(e.Labels, task)
	return nil
}

// Packed compresses a text with gzip.
func Packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Zeros is an endless reader.
type Zeros struct{}

func (Zeros) Read(b []byte) (int, error) { return len(b), nil }
