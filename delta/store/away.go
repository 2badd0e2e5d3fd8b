package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// awayErrors are those of a file system that is gone for now, such as a share whose
// server does not answer.
var awayErrors = []error{syscall.EIO, syscall.ESTALE, syscall.ENOTCONN, syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENODEV, syscall.ENXIO}

// CheckFolder returns an ErrAway unless the folder of a store can be looked into. A
// folder that is gone must not count as one without tasks.
func CheckFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return fmt.Errorf("store: %w: %w", ErrAway, err)
	}
	return nil
}

// away makes an error about a file in a folder an ErrAway if it is one.
func away(folder string, err error) error {
	if err == nil {
		return nil
	}
	if gone := CheckFolder(folder); gone != nil {
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
