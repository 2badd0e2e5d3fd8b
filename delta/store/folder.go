package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"kenserve/delta"
	"kenserve/internal/atomicfile"
	"kenserve/internal/inject"
	"kenserve/internal/regular"
	"kenserve/internal/stage"
)

// Folder is the store in a folder. Each file NAME.ken in it is a task; it ignores other
// files. The version of an item is made of its file's time of change, size and inode,
// which are known without reading the file.
type Folder struct{ root *Root }

var _ Writable = (*Folder)(nil)

// NewFolder returns the store in the folder at this path.
func NewFolder(path string) *Folder { return &Folder{NewRoot(path)} }

// List implements Store.
func (f *Folder) List(context.Context) ([]Item, error) {
	files, err := os.ReadDir(f.root.path)
	if err = errors.Join(err, inject.Fail(inject.Read)); err != nil {
		return nil, fmt.Errorf("store: list folder: %w: %w", ErrAway, err)
	}
	var items []Item
	for _, file := range files {
		if stage.IsFolder(file.Name()) {
			stage.Clean(f.root.path) // of processes that were killed
			continue
		}
		name, ok := delta.TaskName(file.Name())
		if !ok {
			continue
		}
		i, err := statFile(name, f.path(name))
		if err = f.root.away(err); errors.Is(err, ErrAway) {
			return nil, err // not even the facts of a task can be read
		}
		if err == nil {
			items = append(items, i)
		}
	}
	if err := f.root.Listed(len(items)); err != nil {
		return nil, err
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Task < items[j].Task })
	return items, nil
}

// Stat implements Store.
func (f *Folder) Stat(_ context.Context, task string) (Item, error) {
	if !delta.ValidTask(task) {
		return Item{}, notFound(task)
	}
	i, err := statFile(task, f.path(task))
	return i, f.root.away(err)
}

// Fetch implements Store.
func (f *Folder) Fetch(_ context.Context, i Item) (File, error) {
	if !delta.ValidTask(i.Task) {
		return File{}, notFound(i.Task)
	}
	return File{Path: f.path(i.Task)}, nil
}

func (f *Folder) path(task string) string { return filepath.Join(f.root.path, task+delta.Extension) }

// Spool implements Writable.
func (f *Folder) Spool() (*Spool, error) {
	if err := f.root.Check(); err != nil {
		return nil, err
	}
	s, err := spoolIn(f.root.path)
	if err != nil {
		return nil, writing(f.root.away(err))
	}
	return s, nil
}

// Put implements Writable.
func (f *Folder) Put(_ context.Context, task string, spool *Spool) error {
	if !delta.ValidTask(task) {
		return fmt.Errorf("store: put task %q: not a valid name of a task", task)
	}
	if err := f.checkEntry(task); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := os.Chmod(spool.Name(), 0o644); err != nil {
		return writing(err)
	}
	if err := atomicfile.Move(spool.Name(), f.path(task)); err != nil {
		return writing(f.root.away(err))
	}
	return nil
}

// Remove implements Writable.
func (f *Folder) Remove(_ context.Context, task string) error {
	if !delta.ValidTask(task) {
		return notFound(task)
	}
	if err := f.checkEntry(task); errors.Is(err, regular.ErrNotRegular) {
		return notFound(task) // as in List
	} else if err != nil {
		return err
	}
	err := inject.Fail(inject.Remove)
	if err == nil {
		err = os.Remove(f.path(task))
	}
	err = f.root.away(err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrAway):
		return notFound(task)
	}
	return writing(err)
}

// checkEntry returns nil if a task's entry of the folder is a file, or a link, which is
// replaced or removed itself and not what it leads to. Anything else there is not the
// store's to change.
func (f *Folder) checkEntry(task string) error {
	info, err := os.Lstat(f.path(task))
	err = f.root.away(err)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrAway):
		return notFound(task)
	case err != nil:
		return writing(err)
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("store: task %s: %s: %w", task, f.path(task), regular.ErrNotRegular)
	}
	return nil
}

// writing gives an error of writing to the folder its context, and makes it
// ErrReadOnly where it is one.
func writing(err error) error {
	if !errors.Is(err, ErrAway) && errors.Is(err, fs.ErrPermission) || readOnlyFileSystem(err) {
		return fmt.Errorf("store: %w: %w", ErrReadOnly, err)
	}
	return fmt.Errorf("store: write to folder: %w", err)
}

// Single is a store with one task, the delta file at Path.
type Single struct {
	Task string
	Path string
}

// List implements Store.
func (s Single) List(ctx context.Context) ([]Item, error) {
	i, err := s.Stat(ctx, s.Task)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return []Item{i}, err
}

// Stat implements Store.
func (s Single) Stat(_ context.Context, task string) (Item, error) {
	if task != s.Task {
		return Item{}, notFound(task)
	}
	return statFile(task, s.Path)
}

// Fetch implements Store.
func (s Single) Fetch(_ context.Context, i Item) (File, error) {
	if i.Task != s.Task {
		return File{}, notFound(i.Task)
	}
	return File{Path: s.Path}, nil
}

func notFound(task string) error { return fmt.Errorf("store: task %q: %w", task, ErrNotFound) }

// statFile returns the item of the regular file at path, or of the one that a link there
// leads to. Nothing else is a task.
func statFile(task, path string) (Item, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = inject.Fail(inject.Read)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Item{}, notFound(task)
	case err != nil:
		return Item{}, fmt.Errorf("store: task %s: %w", task, err)
	case !info.Mode().IsRegular():
		return Item{}, notFound(task)
	}
	return item(task, info), nil
}

func item(task string, info fs.FileInfo) Item {
	version := fmt.Sprintf("%x-%x-%x", info.ModTime().UnixNano(), info.Size(), inode(info))
	return Item{Task: task, Version: version, Size: info.Size()}
}
