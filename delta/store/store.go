package store

import (
	"context"
	"errors"
	"os"

	"kenserve/delta"
	"kenserve/safetensors"
)

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

// Open opens a file in the fast layout: it maps one that is fixed, and reads any
// other into memory.
func (f File) Open() (*delta.Delta, error) {
	if f.Fixed {
		return delta.Open(f.Path)
	}
	return delta.Load(f.Path)
}

func (f File) container() (*safetensors.File, error) {
	if f.Fixed {
		return safetensors.Open(f.Path)
	}
	return safetensors.Load(f.Path)
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
