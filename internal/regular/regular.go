// Package regular opens files that must be regular ones. Opening a named pipe waits
// for a writer, a device may never end, and a folder cannot be read. A store, a cache
// and a model's folder belong to their users, so all of these turn up under the names
// of files.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"kenserve/internal/inject"
)

// ErrNotRegular means that a path is not a regular file or a link to one.
var ErrNotRegular = errors.New("not a regular file")

// Open opens the regular file at path, or the one that a link there leads to, for
// reading. It never waits. The error wraps [ErrNotRegular] or one of the file system.
func Open(path string) (*os.File, fs.FileInfo, error) { return open(path, os.Stat, nonblock) }

// openNoFollow does what [Open] does, but a link at path is not a regular file.
func openNoFollow(path string) (*os.File, fs.FileInfo, error) {
	return open(path, os.Lstat, nonblock|noFollow)
}

func open(path string, stat func(string) (fs.FileInfo, error), flags int) (_ *os.File, _ fs.FileInfo, err error) {
	// Look before opening: to open a device can already have an effect.
	info, err := stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("open %s: %w", path, ErrNotRegular)
	}
	if err := inject.Fail(inject.Open); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|flags, 0)
	if err != nil {
		return nil, nil, err
	}
	// Look again: another file may have taken the place.
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: %w", path, ErrNotRegular)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// OpenWrite opens the regular file at path for writing, with flags as os.OpenFile has them.
// It never waits, and never follows a link. The error wraps [ErrNotRegular] or one of the
// file system.
func OpenWrite(path string, flags int) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: %w", path, ErrNotRegular)
	}
	f, err := os.OpenFile(path, flags|nonblock|noFollow, 0o644)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, ErrNotRegular), err, f.Close())
	}
	return f, nil
}

// ReadWithin returns the content of the file at path, of at most limit bytes. The file may
// be a pipe, such as one that a shell makes for <(COMMAND): then its content must arrive
// within wait. A pipe without a writer is empty.
func ReadWithin(path string, limit int64, wait time.Duration) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// A regular file has no deadline and needs none.
	if err := f.SetReadDeadline(time.Now().Add(wait)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, err
	}
	data, err := readAll(f, path, limit)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("read %s: the pipe was not closed within %s", path, wait)
	}
	return data, err
}

// Read returns the content of the regular file at path, of at most limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are allowed", path, info.Size(), limit)
	}
	if err := inject.Fail(inject.Read); err != nil {
		return nil, err
	}
	return readAll(f, path, limit)
}

// readAll reads what is left of a file, if it is at most limit bytes.
func readAll(f *os.File, path string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}
