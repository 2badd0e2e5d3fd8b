package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/internal/regular"
	"kenserve/runtime/internal/failure"
)

// Load loads a task if it is not in memory, and returns when it is. A failure
// that is remembered does not count.
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

// Unload takes a task out of memory when the last request that uses it is done.
// The next request for it loads it again.
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

// Put makes the delta that r reads the task's delta, and replaces an older one. It
// must have size bytes, unless size is negative. Put first collects it in a
// temporary file and checks all of it against the base. Then it replaces the old
// delta at once: requests that come after Put use the new one, and requests in
// progress finish with the old one. If the new delta cannot be served, which is an
// ErrTaskUnusable, or r fails, nothing changes. If the store cannot be changed,
// the error is ErrReadOnly; if a disk is full, it is ErrNoSpace.
func (e *Engine) Put(ctx context.Context, name string, r io.Reader, size int64) (TaskInfo, error) {
	store, err := e.writable()
	if err != nil {
		return TaskInfo{}, err
	}
	if !delta.ValidTask(name) {
		return TaskInfo{}, fmt.Errorf("runtime: put task %q: %w: the name is not valid", name, ErrNoTask)
	}
	spool, err := store.Spool()
	if err != nil {
		return TaskInfo{}, changeError(name, err)
	}
	defer spool.Remove()
	err = e.spoolDelta(ctx, name, spool, r, size)
	if err := errors.Join(err, spool.Close()); err != nil {
		return TaskInfo{}, fmt.Errorf("runtime: put task %s: %w", name, failure.OfDisk(err))
	}
	if err := e.loader.Verify(ctx, name, spool.Name()); err != nil {
		return TaskInfo{}, err
	}
	// One change at a time: with two of one task, memory might end with the one
	// and the store with the other.
	if err := e.changes.Acquire(ctx, 1); err != nil {
		return TaskInfo{}, err
	}
	defer e.changes.Release(1)
	if err := store.Put(ctx, name, spool); err != nil {
		return TaskInfo{}, changeError(name, err)
	}
	if err := e.loader.Refresh(name); err != nil {
		return TaskInfo{}, err
	}
	return e.describe(name), nil
}

// Copy puts the delta of another task, source, of the store; see Put.
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
	file, err := f.Reader()
	if err != nil {
		return TaskInfo{}, failure.Unusable(source, err)
	}
	defer file.Close()
	return e.Put(ctx, name, file, -1)
}

// Remove takes a task out of the store, and out of memory when the last request
// that uses it is done.
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

// Writable returns nil, or the error of every Put: an ErrReadOnly, or an ErrNoSpace.
func (e *Engine) Writable() error {
	store, err := e.writable()
	if err != nil {
		return err
	}
	spool, err := store.Spool()
	if err != nil {
		return changeError("", err)
	}
	err = spool.Close()
	spool.Remove()
	return err
}

// maxDeltaBytes bounds a delta that is put. A useful one is not larger than all
// weights of the base in float32 and a head; the bound leaves room to spare.
func (e *Engine) maxDeltaBytes() int64 { return 2*e.base.float32Bytes() + 64<<20 }

// spoolDelta copies a task's delta from r to a file; see Put.
func (e *Engine) spoolDelta(ctx context.Context, name string, file io.Writer, r io.Reader, size int64) error {
	limit := e.maxDeltaBytes()
	tooLarge := &failure.TaskError{Task: name, Class: fmt.Sprintf("its delta exceeds %d bytes, the limit for its base", limit)}
	if size > limit {
		return tooLarge
	}
	n, err := io.Copy(file, io.LimitReader(contextReader{ctx, r}, limit+1))
	switch {
	case err != nil:
		return err
	case n > limit:
		return tooLarge
	case size >= 0 && n != size:
		return fmt.Errorf("the delta has %d bytes, %d were announced", n, size)
	}
	return nil
}

// contextReader fails when its context has ended.
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

// changeError wraps an error of a change of the store in the package's error for it.
func changeError(name string, err error) error {
	switch {
	case errors.Is(err, store.ErrReadOnly):
		return fmt.Errorf("runtime: change task %s: %w: %w", name, ErrReadOnly, err)
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("runtime: change task %s: %w", name, ErrNoTask)
	case errors.Is(err, store.ErrAway):
		return fmt.Errorf("runtime: change task %s: %w: %w", name, ErrStoreAway, err)
	case errors.Is(err, regular.ErrNotRegular):
		return &failure.TaskError{Task: name, Class: "its name in the store belongs to a folder, pipe or device; remove that first", Err: err}
	}
	return fmt.Errorf("runtime: change task %s: %w", name, failure.OfDisk(err))
}
