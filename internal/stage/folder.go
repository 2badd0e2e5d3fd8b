// Package stage keeps files that are being written apart from finished ones. A file is
// written in a [Folder] of its own beside the place where it will appear, and takes
// that place in one step when it is complete. Until then nobody sees it under its name,
// and a process that ends leaves nothing but the folder, which the next one removes.
package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"kenserve/internal/inject"
)

// The names of folders: being made, and in use. They begin with a dot, so that they are
// no names of tasks and shells do not show them.
const (
	newPrefix  = ".kenserve-new-"
	prefix     = ".kenserve-tmp-"
	lockFile   = "lock"
	maxNewTime = time.Minute // to make a folder
)

// Folder is a folder for unfinished files. It is locked as long as its process lives.
type Folder struct {
	path string
	lock *flock.Flock
}

// NewFolder makes a folder in dir, which must exist. The caller removes it.
func NewFolder(dir string) (_ *Folder, err error) {
	if err := inject.Fail(inject.Create); err != nil {
		return nil, err
	}
	made, err := os.MkdirTemp(dir, newPrefix)
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(made, lockFile))
	defer func() {
		if err != nil {
			_ = lock.Unlock()
			_ = os.RemoveAll(made)
		}
	}()
	if locked, err := lock.TryLock(); err != nil || !locked {
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), errors.Join(err, errLocked))
	}
	// With its final name the folder is locked: a folder in use that is not locked has
	// lost its owner.
	path := filepath.Join(dir, prefix+strings.TrimPrefix(filepath.Base(made), newPrefix))
	if err = inject.Fail(inject.Rename); err != nil {
		return nil, err
	}
	if err = os.Rename(made, path); err != nil {
		return nil, err
	}
	f := &Folder{path, lock}
	if err := remember(f); err != nil {
		return nil, errors.Join(err, f.Remove())
	}
	return f, nil
}

// NewTemporary makes a folder for files that nobody wants to keep. The caller removes it.
func NewTemporary() (*Folder, error) {
	Clean(os.TempDir())
	return NewFolder(os.TempDir())
}

var errLocked = errors.New("another process holds it")

// Path returns the path of a file of the folder; that of the folder itself for "".
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }

// Remove removes the folder with all that is in it. It may be called again, and while
// other goroutines still make files in the folder, which fails from then on.
func (f *Folder) Remove() error {
	defer forget(f)
	// Under another name nobody makes a file in it while it is being emptied.
	removed := f.path + "-removed"
	if os.Rename(f.path, removed) != nil {
		removed = f.path
	}
	return errors.Join(os.RemoveAll(removed), f.lock.Unlock())
}

// Clean removes the folders in dir whose processes have ended. It ignores errors: a
// folder that cannot be removed stays for the next call.
func Clean(dir string) {
	_ = each(dir, func(path string, info fs.FileInfo) {
		if strings.HasPrefix(info.Name(), newPrefix) {
			if time.Since(info.ModTime()) > maxNewTime {
				_ = os.RemoveAll(path)
			}
			return
		}
		lock := flock.New(filepath.Join(path, lockFile), flock.SetFlag(os.O_RDWR))
		locked, err := lock.TryLock()
		if err == nil && !locked {
			return
		}
		// Without its lock file, the folder is one that was being removed.
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(path)
		}
		_ = lock.Unlock()
	})
}

// Bytes returns the size of all files in the folders in dir.
func Bytes(dir string) (sum int64) {
	_ = each(dir, func(path string, _ fs.FileInfo) {
		_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil // removed meanwhile
			}
			if info, err := e.Info(); err == nil {
				sum += info.Size()
			}
			return nil
		})
	})
	return sum
}

// IsFolder tells whether an entry of a folder has the name of a [Folder].
func IsFolder(name string) bool {
	return strings.HasPrefix(name, prefix) || strings.HasPrefix(name, newPrefix)
}

// each calls f for each stage folder in dir.
func each(dir string, f func(path string, info fs.FileInfo)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !IsFolder(e.Name()) || !e.IsDir() {
			continue
		}
		if info, err := e.Info(); err == nil {
			f(filepath.Join(dir, e.Name()), info)
		}
	}
	return nil
}
