package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"kenserve/delta"
	"kenserve/internal/atomicfile"
)

// Folder is the store in the folder at this path. Each file NAME.ken in it is a
// task; it ignores other files. The version of an item is made of its file's time
// of change, size and inode, which are known without reading the file.
type Folder string

var _ Writable = Folder("")

// List implements Store.
func (f Folder) List(context.Context) ([]Item, error) {
	files, err := os.ReadDir(string(f))
	if err != nil {
		return nil, fmt.Errorf("store: list folder: %w: %w", ErrAway, err)
	}
	var items []Item
	for _, file := range files {
		name, ok := delta.TaskName(file.Name())
		if !ok {
			continue
		}
		// Stat follows links. A link that leads nowhere is not a task.
		if info, err := os.Stat(f.path(name)); err == nil && info.Mode().IsRegular() {
			items = append(items, item(name, info))
		}
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Task < items[j].Task })
	return items, nil
}

// Stat implements Store.
func (f Folder) Stat(_ context.Context, task string) (Item, error) {
	if !delta.ValidTask(task) {
		return Item{}, notFound(task)
	}
	i, err := statFile(task, f.path(task))
	return i, away(string(f), err)
}

// Fetch implements Store.
func (f Folder) Fetch(_ context.Context, i Item) (File, error) {
	if !delta.ValidTask(i.Task) {
		return File{}, notFound(i.Task)
	}
	return File{Path: f.path(i.Task)}, nil
}

func (f Folder) path(task string) string { return filepath.Join(string(f), task+delta.Extension) }

// The names of spooled files are no names of tasks, because they begin with a dot.
const (
	spoolPrefix = ".put."
	spoolSuffix = ".tmp"
)

// Spool implements Writable. It also removes files that a killed process left.
func (f Folder) Spool() (*os.File, error) {
	old, _ := filepath.Glob(filepath.Join(string(f), spoolPrefix+"*"+spoolSuffix))
	for _, path := range old {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(path)
		}
	}
	file, err := os.CreateTemp(string(f), spoolPrefix+"*"+spoolSuffix)
	if err != nil {
		return nil, writing(away(string(f), err))
	}
	return file, nil
}

// Put implements Writable.
func (f Folder) Put(_ context.Context, task, path string) error {
	if !delta.ValidTask(task) {
		return fmt.Errorf("store: put task %q: not a valid name of a task", task)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		return writing(err)
	}
	if err := atomicfile.Move(path, f.path(task)); err != nil {
		return writing(away(string(f), err))
	}
	return nil
}

// Remove implements Writable.
func (f Folder) Remove(_ context.Context, task string) error {
	if !delta.ValidTask(task) {
		return notFound(task)
	}
	err := away(string(f), os.Remove(f.path(task)))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrAway):
		return notFound(task)
	}
	return writing(err)
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

func statFile(task, path string) (Item, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Item{}, notFound(task)
	case err != nil:
		return Item{}, fmt.Errorf("store: task %s: %w", task, err)
	}
	return item(task, info), nil
}

func item(task string, info fs.FileInfo) Item {
	version := fmt.Sprintf("%x-%x-%x", info.ModTime().UnixNano(), info.Size(), inode(info))
	return Item{Task: task, Version: version, Size: info.Size()}
}
