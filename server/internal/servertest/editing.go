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

func (e *Engine) Load(_ context.Context, task string) error {
	e.Did = append(e.Did, "load "+task)
	return e.MoveErr
}

func (e *Engine) Unload(_ context.Context, task string) error {
	e.Did = append(e.Did, "unload "+task)
	return e.MoveErr
}

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

func (e *Engine) Copy(ctx context.Context, task, source string) (runtime.TaskInfo, error) {
	content, ok := e.Deltas[source]
	if !ok {
		return runtime.TaskInfo{}, fmt.Errorf("runtime: task %s: %w", source, runtime.ErrNoTask)
	}
	return e.put(ctx, task, content)
}

// Inspect is for the tests that replace it.
func (e *Engine) Inspect(context.Context, string, func(*delta.Delta, delta.Tensors) error) error {
	return errors.New("this engine has no deltas to look into")
}

func (e *Engine) Remove(_ context.Context, task string) error {
	if e.ReadOnly {
		return runtime.ErrReadOnly
	}
	delete(e.Deltas, task)
	delete(e.Labels, task)
	return nil
}

// Packed is a text in gzip.
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

// Zeros has no end.
type Zeros struct{}

func (Zeros) Read(b []byte) (int, error) { return len(b), nil }
