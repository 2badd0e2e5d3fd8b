package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/runtime/internal/failure"
)

// Load brings a task into memory, if it is not there, and returns when it is.
// A failure that is remembered is tried again.
func (e *Engine) Load(ctx context.Context, name string) error {
	if !delta.ValidTask(name) {
		return fmt.Errorf("runtime: task %q: %w", name, ErrNoTask)
	}
	e.loader.ClearFailure(name)
	handle, err := e.loader.Acquire(ctx, name)
	if err != nil {
		return err
	}
	handle.Release()
	return nil
}

// Unload drops a task from memory, with the last request that uses it. The next
// request for it loads it again.
func (e *Engine) Unload(ctx context.Context, name string) error {
	if !delta.ValidTask(name) {
		return fmt.Errorf("runtime: task %q: %w", name, ErrNoTask)
	}
	if e.loader.Unload(name) {
		return nil
	}
	if _, err := e.config.Store.Stat(ctx, name); err != nil {
		return failure.Unusable(name, err)
	}
	return nil
}

// Put makes what r reads the task's delta, in place of one that is there. It is
// collected in a file beside the store, at most size bytes if size is not
// negative, and checked whole against the base; only then does it replace the
// old one, at once: requests that come after Put see it, those under way finish
// on the old one. If it cannot be served, which is an ErrTaskUnusable, or r
// fails, everything stays as it was. A store that cannot be written is an
// ErrReadOnly.
func (e *Engine) Put(ctx context.Context, name string, r io.Reader, size int64) (TaskInfo, error) {
	store, err := e.writable()
	if err != nil {
		return TaskInfo{}, err
	}
	if !delta.ValidTask(name) {
		return TaskInfo{}, fmt.Errorf("runtime: put task %q: %w: not a task's name", name, ErrNoTask)
	}
	spool, err := store.Spool()
	if err != nil {
		return TaskInfo{}, changeError(name, err)
	}
	defer os.Remove(spool.Name()) // not there any more once it was put
	err = e.spoolDelta(ctx, spool, r, size)
	if err := errors.Join(err, spool.Close()); err != nil {
		return TaskInfo{}, fmt.Errorf("runtime: put task %s: %w", name, err)
	}
	if err := e.loader.Verify(ctx, name, spool.Name()); err != nil {
		return TaskInfo{}, err
	}
	// Two changes of one task at once would leave memory with one and the store
	// with the other.
	if err := e.changes.Acquire(ctx, 1); err != nil {
		return TaskInfo{}, err
	}
	defer e.changes.Release(1)
	if err := store.Put(ctx, name, spool.Name()); err != nil {
		return TaskInfo{}, changeError(name, err)
	}
	if err := e.loader.Refresh(name); err != nil {
		return TaskInfo{}, err
	}
	return e.describe(name), nil
}

// Copy is Put of the delta of another task of the store.
func (e *Engine) Copy(ctx context.Context, name, source string) (TaskInfo, error) {
	if _, err := e.writable(); err != nil {
		return TaskInfo{}, err
	}
	item, err := e.config.Store.Stat(ctx, source)
	if err != nil {
		return TaskInfo{}, failure.Unusable(source, err)
	}
	f, err := e.config.Store.Fetch(ctx, item)
	if err != nil {
		return TaskInfo{}, failure.Unusable(source, err)
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return TaskInfo{}, failure.Unusable(source, err)
	}
	defer file.Close()
	return e.Put(ctx, name, file, -1)
}

// Remove takes a task out of the store, and out of memory with the last request
// that uses it.
func (e *Engine) Remove(ctx context.Context, name string) error {
	store, err := e.writable()
	if err != nil {
		return err
	}
	if err := e.changes.Acquire(ctx, 1); err != nil {
		return err
	}
	defer e.changes.Release(1)
	if err := store.Remove(ctx, name); err != nil {
		return changeError(name, err)
	}
	e.loader.Forget(name)
	return nil
}

func (e *Engine) writable() (store.Writable, error) {
	store, ok := e.config.Store.(store.Writable)
	if !ok {
		return nil, fmt.Errorf("runtime: %w", ErrReadOnly)
	}
	return store, nil
}

// maxDelta bounds a delta that is put: a base of n bytes cannot have a sensible
// one larger than all its weights in float32, a head, and room to spare.
func (e *Engine) maxDeltaBytes() int64 { return 2*e.base.float32Bytes() + 64<<20 }

// collect copies r to a file, within the bound.
func (e *Engine) spoolDelta(ctx context.Context, file *os.File, r io.Reader, size int64) error {
	limit := e.maxDeltaBytes()
	if size > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", errTooLarge, size, limit)
	}
	n, err := io.Copy(file, io.LimitReader(contextReader{ctx, r}, limit+1))
	switch {
	case err != nil:
		return err
	case n > limit:
		return fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	case size >= 0 && n != size:
		return fmt.Errorf("%d bytes where %d were announced", n, size)
	}
	return nil
}

// errTooLarge is an ErrTaskUnusable.
var errTooLarge error = &failure.TaskError{Class: "it is larger than its base allows"}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// changing gives an error of the store its place among the package's.
func changeError(name string, err error) error {
	switch {
	case errors.Is(err, store.ErrReadOnly):
		return fmt.Errorf("runtime: change task %s: %w: %w", name, ErrReadOnly, err)
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("runtime: change task %s: %w", name, ErrNoTask)
	}
	return fmt.Errorf("runtime: change task %s: %w", name, err)
}
