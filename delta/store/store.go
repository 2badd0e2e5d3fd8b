// Package store keeps delta files: in a folder ([Folder]), as a single file
// ([Single]), or in object storage (package bucket).
//
// A store lists its tasks with versions, and brings the file of a task to this
// machine. [Cache] opens such a file in either layout: a file in the small layout
// is unpacked into a folder of this machine, once, and read from there.
package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"kenserve/delta"
	"kenserve/internal/inject"
	"kenserve/internal/regular"
	"kenserve/internal/stage"
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

// File is a delta file on this machine. It is read into memory and never mapped:
// people put files into a folder and may copy a new delta over the old one, and the
// files of a cache can be cleaned up by anybody. If such a file were mapped, its content
// would change under the reader, or reading it would end in a fault.
type File struct {
	Path    string
	content []byte // if the file was read already
}

// Open opens a file in the fast layout.
func (f File) Open() (*delta.Delta, error) {
	c, err := f.container()
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return delta.Read(c, f.Path)
}

// container opens the file as a container of either layout.
func (f File) container() (*safetensors.File, error) {
	if f.content != nil {
		return safetensors.Parse(f.content)
	}
	c, err := safetensors.Load(f.Path)
	return c, gone(err)
}

// Reader returns a reader of the file's bytes. The caller closes it.
func (f File) Reader() (io.ReadCloser, error) {
	if f.content != nil {
		return io.NopCloser(bytes.NewReader(f.content)), nil
	}
	file, _, err := regular.Open(f.Path)
	return file, gone(err)
}

// gone makes the error of opening a store's file an [ErrNotFound] if the file is not there
// any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// Writable is a store that takes new tasks.
type Writable interface {
	Store
	// Spool creates a temporary file for a new delta. The caller calls its Remove,
	// also after Put.
	Spool() (*Spool, error)
	// Put makes the spooled file, which the caller has closed, the delta of the task.
	// It replaces an older delta in one step: readers see the whole old file or the
	// whole new one.
	Put(ctx context.Context, task string, spool *Spool) error
	// Remove removes the task from the store, or returns ErrNotFound.
	Remove(ctx context.Context, task string) error
}

// Spool is a temporary file. If the process is killed, the next one removes it.
type Spool struct {
	*os.File
	folder *stage.Folder
}

// spoolIn makes a spool in a folder.
func spoolIn(dir string) (*Spool, error) {
	folder, err := stage.NewFolder(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(folder.Path("delta"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, errors.Join(err, folder.Remove())
	}
	return &Spool{file, folder}, nil
}

// Write implements io.Writer.
func (s *Spool) Write(b []byte) (int, error) {
	if err := inject.Fail(inject.Write); err != nil {
		return 0, err
	}
	return s.File.Write(b)
}

// Remove closes and removes the file.
func (s *Spool) Remove() {
	_ = s.Close()
	_ = s.folder.Remove()
}
