// Package store keeps delta files: in a folder ([Folder]), as a single file
// ([Single]), or in object storage (package bucket).
//
// A store lists its tasks with versions, and brings the file of a task to this
// machine. [Cache] opens such a file in either layout: a file in the small layout
// is unpacked into a folder of this machine, once, and mapped from there.
package store

import (
	"context"
	"errors"
	"os"

	"kenserve/delta"
	"kenserve/safetensors"
)

var (
	// ErrNotFound means that the store has no task with this name.
	ErrNotFound = errors.New("no such delta")
	// ErrReadOnly means that the store cannot be written.
	ErrReadOnly = errors.New("the store is read-only")
	// ErrAway means that the store itself cannot be reached now. It says nothing
	// about its tasks.
	ErrAway = errors.New("the store cannot be reached")
)

// Store is a place with delta files. Any number of goroutines may call its methods.
type Store interface {
	// List lists the tasks, sorted by name.
	List(ctx context.Context) ([]Item, error)
	// Stat returns the item of one task, or ErrNotFound.
	Stat(ctx context.Context, task string) (Item, error)
	// Fetch brings an item's file to this machine. If the file was replaced since
	// the item was listed, Fetch brings the new file.
	Fetch(ctx context.Context, item Item) (File, error)
}

// Item is a task of a store, with the facts that are known without reading its
// delta.
type Item struct {
	Task string
	// Version changes whenever the content of the delta changes.
	Version string
	Size    int64 // of the delta file in bytes
}

// File is a delta file on this machine.
type File struct {
	Path string
	// Fixed means that nobody writes to the file, so that it may be mapped. People
	// put files into a folder and may copy a new delta over the old one; if the old
	// one were mapped, its content would change under the reader, or reading it
	// would end in a fault.
	Fixed bool
}

// Open opens a file in the fast layout. It maps the file if it is fixed, and else
// reads it into memory.
func (f File) Open() (*delta.Delta, error) {
	if f.Fixed {
		return delta.Open(f.Path)
	}
	return delta.Load(f.Path)
}

// container opens the file as a container of either layout, as Open does.
func (f File) container() (*safetensors.File, error) {
	if f.Fixed {
		return safetensors.Open(f.Path)
	}
	return safetensors.Load(f.Path)
}

// Writable is a store that takes new tasks.
type Writable interface {
	Store
	// Spool creates a temporary file for a new delta. The caller closes it, and
	// removes it unless Put has succeeded with it.
	Spool() (*os.File, error)
	// Put makes the spooled file at path the delta of the task. It replaces an
	// older delta in one step: readers see the whole old file or the whole new one.
	Put(ctx context.Context, task, path string) error
	// Remove removes the task from the store, or returns ErrNotFound.
	Remove(ctx context.Context, task string) error
}
