package runtime

import (
	"io/fs"
	"syscall"
)

// systemState returns what only the system's own record of a file has.
func systemState(info fs.FileInfo) (device, inode uint64, changed int64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, 0
	}
	return s.Dev, s.Ino, s.Ctim.Nano()
}
