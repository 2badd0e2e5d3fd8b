package delta

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Extension ends the name of a delta file. A task is served under its file's
// name without it.
const Extension = ".ken"

var (
	// ErrNotFound means that a store has no task of that name.
	ErrNotFound = errors.New("no such delta")
	// ErrReadOnly means a store that cannot be written.
	ErrReadOnly = errors.New("the store is read-only")
)

// Store is where delta files live. Its methods may be called by any number of
// goroutines.
type Store interface {
	// List lists the tasks, sorted by name.
	List(ctx context.Context) ([]Item, error)
	// Stat looks for one task; one that is not there is ErrNotFound.
	Stat(ctx context.Context, task string) (Item, error)
	// Fetch brings an item's file to this machine. Content that was replaced
	// since the item was listed is fetched as it is now.
	Fetch(ctx context.Context, item Item) (File, error)
}

// Item is a task of a store, as it can be seen without reading its delta.
type Item struct {
	Task string
	// Version changes whenever the content does.
	Version string
	Size    int64 // bytes of the delta file
}

// File is a delta file on this machine.
type File struct {
	Path string
	// Fixed tells that nobody writes to the file, so that it may be mapped. A
	// store's files are put there by people, who may copy a new delta over the
	// old one: a map of it would change under the reader, or end in a fault.
	Fixed bool
}

// Writable is a store that takes new tasks.
type Writable interface {
	Store
	// Spool opens a temporary file in which a new delta is collected. The
	// caller closes it, and removes it unless Put has taken it.
	Spool() (*os.File, error)
	// Put makes the spooled file at path the task's delta, in place of one
	// that is there: readers see the whole old file or the whole new one.
	Put(ctx context.Context, task, path string) error
	// Remove takes the task out of the store; one that is not there is
	// ErrNotFound.
	Remove(ctx context.Context, task string) error
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
