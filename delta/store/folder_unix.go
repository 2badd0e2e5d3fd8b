//go:build unix

package store

import (
	"errors"
	"io/fs"
	"syscall"
)

// inode tells files of one name apart that were made one after the other.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}

func readOnlyFileSystem(err error) bool { return errors.Is(err, syscall.EROFS) }
