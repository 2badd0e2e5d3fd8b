// Package atomicfile replaces files in one step. The new content is written to
// another file of the same folder, synced and renamed, and the folder is synced.
// At every moment, also after a crash, the path holds the whole old content or
// the whole new one, and whoever has the old file open or mapped keeps it.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"kenserve/internal/inject"
)

// Write makes what write writes the content of the file at path, with permissions
// 0644. The temporary file is ".NAME.RANDOM.tmp" in the same folder; an error,
// also one that write returns, removes it and leaves path as it was.
func Write(path string, write func(w io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	buffered := bufio.NewWriterSize(failingWriter{f}, 1<<20)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return Move(f.Name(), path)
}

// Move syncs the closed file at from and renames it to to, in the same file
// system.
func Move(from, to string) error { return move(from, to, os.Rename) }

// MoveNew does what [Move] does, but fails with fs.ErrExist if there is something at to.
func MoveNew(from, to string) error {
	return move(from, to, func(from, to string) error {
		// A second name is made only if the name is free. Not every file system has
		// links; there the check and the rename are two steps.
		err := os.Link(from, to)
		if err == nil {
			return os.Remove(from)
		}
		if _, there := os.Lstat(to); errors.Is(err, fs.ErrExist) || !errors.Is(there, fs.ErrNotExist) {
			return &os.LinkError{Op: "link", Old: from, New: to, Err: fs.ErrExist}
		}
		return os.Rename(from, to)
	})
}

func move(from, to string, rename func(from, to string) error) error {
	if err := syncPath(from); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	if err := inject.Fail(inject.Rename); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	if err := rename(from, to); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	// Without this the rename itself may be lost in a crash, which leaves the old
	// content. Not every file system can sync a folder, so an error is ignored.
	_ = syncPath(filepath.Dir(to))
	return nil
}

// failingWriter is a file to which writing can be made to fail.
type failingWriter struct{ *os.File }

func (w failingWriter) Write(b []byte) (int, error) {
	if err := inject.Fail(inject.Write); err != nil {
		return 0, err
	}
	return w.File.Write(b)
}

// syncPath makes what was written to a file or folder durable.
func syncPath(path string) error {
	if err := inject.Fail(inject.Sync); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
