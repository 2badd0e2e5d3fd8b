package safetensors

import (
	"os"
	"syscall"
	"time"
)

// settled is the age from which on a file's time of change tells every later change: a
// file system may write the same time for changes that are close together.
const settled = 2 * time.Second

// versionOf returns the version of an open file, the zero value if its times say too
// little.
func versionOf(file *os.File) Version {
	info, err := file.Stat()
	if err != nil {
		return Version{}
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Version{}
	}
	v := Version{s.Dev, s.Ino, s.Size, s.Mtim.Nano(), s.Ctim.Nano()}
	if now := time.Now().UnixNano(); max(v.modified, v.changed) > now-int64(settled) {
		return Version{}
	}
	return v
}
