package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"kenserve/delta"
)

// awayErrors are those of a file system that is gone for now, such as a share whose
// server does not answer.
var awayErrors = []error{syscall.EIO, syscall.ESTALE, syscall.ENOTCONN, syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENODEV, syscall.ENXIO}

// A Root is the folder of a store. It remembers which folder had tasks: another one in its
// place without any is the mount point of a share that is gone, and not a store whose tasks
// were removed. Any number of goroutines may call its methods.
type Root struct {
	path string
	had  atomic.Pointer[fs.FileInfo] // the folder that had tasks when it was last listed
}

// NewRoot returns the root at this path.
func NewRoot(path string) *Root { return &Root{path: path} }

// Listed reports how many tasks were found in the folder. It returns an ErrAway if there is
// none because another folder has taken its place.
func (r *Root) Listed(tasks int) error {
	info, err := r.stat()
	switch {
	case err != nil:
		return err
	case tasks > 0:
		r.had.Store(&info)
		return nil
	case r.replaced(info):
		return r.empty()
	}
	r.had.Store(nil) // the last task was removed
	return nil
}

// Check returns an ErrAway unless the folder can be looked into and may count as the
// store's. A folder that is gone must not count as one without tasks.
func (r *Root) Check() error {
	info, err := r.stat()
	if err != nil {
		return err
	}
	if r.replaced(info) && !hasTask(r.path) {
		return r.empty()
	}
	return nil
}

// stat returns the facts of the folder, or an ErrAway.
func (r *Root) stat() (fs.FileInfo, error) {
	info, err := os.Stat(r.path)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: r.path, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w: %w", ErrAway, err)
	}
	return info, nil
}

// replaced tells whether the folder is another one than that which had tasks.
func (r *Root) replaced(info fs.FileInfo) bool {
	had := r.had.Load()
	return had != nil && !os.SameFile(*had, info)
}

func (r *Root) empty() error {
	return fmt.Errorf("store: %w: folder %s is not the one that had tasks, and has none: mount it again, or restart the server if it is meant to be empty", ErrAway, r.path)
}

// hasTask tells whether the folder has a file of a task.
func hasTask(path string) bool {
	folder, err := os.Open(path)
	if err != nil {
		return false
	}
	defer folder.Close()
	for {
		names, err := folder.Readdirnames(256)
		for _, name := range names {
			if _, ok := delta.TaskName(name); ok {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}

// away makes an error about a file in the folder an ErrAway if it is one.
func (r *Root) away(err error) error {
	if err == nil {
		return nil
	}
	if gone := r.Check(); gone != nil {
		return gone
	}
	// A file that cannot be opened is a fault of that file; one of which not even the
	// facts can be read shows that the folder cannot be.
	failed, ok := errors.AsType[*fs.PathError](err)
	if ok && failed.Op == "stat" && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	for _, reason := range awayErrors {
		if errors.Is(err, reason) {
			return fmt.Errorf("%w: %w", ErrAway, err)
		}
	}
	return err
}
