package delta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Extension ends the name of a delta file. A task is served under its file's
// name without it.
const Extension = ".ken"

// ErrNotFound means that a store has no task of that name.
var ErrNotFound = errors.New("no such delta")

// Store is where delta files live.
type Store interface {
	// Names lists the tasks, sorted.
	Names(ctx context.Context) ([]string, error)
	// Open reads the task's delta as [Load] does; a task that is not there is
	// ErrNotFound.
	Open(ctx context.Context, task string) (*Delta, error)
}

// ValidTask reports whether name can be a task's: 1 to 128 letters, digits,
// dots, underscores and hyphens, the first a letter or digit. Such a name
// cannot lead out of a store.
func ValidTask(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// TaskName returns the task that the delta file at path is served as, and
// whether it can be served at all.
func TaskName(path string) (string, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), Extension)
	return name, ok && ValidTask(name)
}

// Folder is a store in a directory: one file NAME.ken a task. Other files are
// not its business.
type Folder string

// Names implements Store.
func (f Folder) Names(context.Context) ([]string, error) {
	files, err := os.ReadDir(string(f))
	if err != nil {
		return nil, fmt.Errorf("delta: list store: %w", err)
	}
	var names []string
	for _, file := range files {
		name, ok := TaskName(file.Name())
		if !ok {
			continue
		}
		// Links are followed; one that leads nowhere is no task.
		if info, err := os.Stat(filepath.Join(string(f), file.Name())); err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

// Open implements Store.
func (f Folder) Open(_ context.Context, task string) (*Delta, error) { return openTask(f, task, Load) }

// File implements Files.
func (f Folder) File(task string) (string, error) {
	if !ValidTask(task) {
		return "", fmt.Errorf("delta: task %q: %w", task, ErrNotFound)
	}
	return filepath.Join(string(f), task+Extension), nil
}

// Single is a store of one task, the delta file at Path.
type Single struct {
	Task string
	Path string
}

// Names implements Store.
func (s Single) Names(context.Context) ([]string, error) { return []string{s.Task}, nil }

// Open implements Store.
func (s Single) Open(_ context.Context, task string) (*Delta, error) { return openTask(s, task, Load) }

// File implements Files.
func (s Single) File(task string) (string, error) {
	if task != s.Task {
		return "", fmt.Errorf("delta: task %q: %w", task, ErrNotFound)
	}
	return s.Path, nil
}

// Files is a store whose deltas are files of this machine.
type Files interface {
	Store
	// File returns the path of the task's delta; a task that cannot be there
	// is ErrNotFound.
	File(task string) (string, error)
}

// Cached is a store of files in either layout: those in the small one are
// unpacked into a cache.
type Cached struct {
	Files
	Cache       *Cache
	Base        Tensors // the base of the store's tasks
	Fingerprint string  // of Base
}

// Open implements Store.
func (c Cached) Open(_ context.Context, task string) (*Delta, error) {
	return openTask(c, task, func(path string) (*Delta, error) {
		return c.Cache.Open(path, c.Base, c.Fingerprint)
	})
}

// openTask opens a task's file. One that is not there is ErrNotFound.
func openTask(files Files, task string, open func(path string) (*Delta, error)) (*Delta, error) {
	path, err := files.File(task)
	if err != nil {
		return nil, err
	}
	d, err := open(path)
	if _, missing := os.Stat(path); err != nil && errors.Is(missing, fs.ErrNotExist) {
		return nil, fmt.Errorf("delta: task %q: %w", task, ErrNotFound)
	}
	return d, err
}
