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

// Folder is a store in a directory: one file NAME.ken a task. Other files are
// not its business. An item's version is made of its file's size, time of
// change and inode, which is what can be had without reading.
type Folder string

var _ Writable = Folder("")

// List implements Store.
func (f Folder) List(context.Context) ([]Item, error) {
	files, err := os.ReadDir(string(f))
	if err != nil {
		return nil, fmt.Errorf("delta: list store: %w", err)
	}
	var items []Item
	for _, file := range files {
		name, ok := delta.TaskName(file.Name())
		if !ok {
			continue
		}
		// Links are followed; one that leads nowhere is no task.
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
	return statFile(task, f.path(task))
}

// Fetch implements Store.
func (f Folder) Fetch(_ context.Context, i Item) (File, error) {
	if !delta.ValidTask(i.Task) {
		return File{}, notFound(i.Task)
	}
	return File{Path: f.path(i.Task)}, nil
}

func (f Folder) path(task string) string { return filepath.Join(string(f), task+delta.Extension) }

// The names of spooled files: no task's name begins with a dot.
const (
	spoolPrefix = ".put."
	spoolSuffix = ".tmp"
)

// Spool implements Writable. It removes what a process left that was killed.
func (f Folder) Spool() (*os.File, error) {
	old, _ := filepath.Glob(filepath.Join(string(f), spoolPrefix+"*"+spoolSuffix))
	for _, path := range old {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(path)
		}
	}
	file, err := os.CreateTemp(string(f), spoolPrefix+"*"+spoolSuffix)
	if err != nil {
		return nil, writing(err)
	}
	return file, nil
}

// Put implements Writable.
func (f Folder) Put(_ context.Context, task, path string) error {
	if !delta.ValidTask(task) {
		return fmt.Errorf("delta: put task %q: not a task's name", task)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		return writing(err)
	}
	if err := atomicfile.Move(path, f.path(task)); err != nil {
		return writing(err)
	}
	return nil
}

// Remove implements Writable.
func (f Folder) Remove(_ context.Context, task string) error {
	if !delta.ValidTask(task) {
		return notFound(task)
	}
	err := os.Remove(f.path(task))
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(task)
	}
	if err != nil {
		return writing(err)
	}
	return nil
}

// writing sorts an error of writing to the folder.
func writing(err error) error {
	if errors.Is(err, fs.ErrPermission) || readOnlyFileSystem(err) {
		return fmt.Errorf("delta: %w: %w", ErrReadOnly, err)
	}
	return fmt.Errorf("delta: write to store: %w", err)
}

// Single is a store of one task, the delta file at Path.
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

func notFound(task string) error { return fmt.Errorf("delta: task %q: %w", task, ErrNotFound) }

func statFile(task, path string) (Item, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Item{}, notFound(task)
	case err != nil:
		return Item{}, fmt.Errorf("delta: task %s: %w", task, err)
	}
	return item(task, info), nil
}

func item(task string, info fs.FileInfo) Item {
	version := fmt.Sprintf("%x-%x-%x", info.ModTime().UnixNano(), info.Size(), inode(info))
	return Item{Task: task, Version: version, Size: info.Size()}
}
