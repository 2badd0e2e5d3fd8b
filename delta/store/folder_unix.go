//go:build unix

package store

import (
	"errors"
	"io/fs"
	"syscall"
)

// inode returns the number that tells a file from an older one with the same name.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}

func readOnlyFileSystem(err error) bool { return errors.Is(err, syscall.EROFS) }
