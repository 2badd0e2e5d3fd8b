//go:build unix

package server

import (
	"errors"
	"math"
	"syscall"
)

// maxOpenFiles returns the number of files and connections that the system lets this
// process have open.
func maxOpenFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur)
}

// noFileLeft tells whether a connection could not be accepted because too many files are open.
func noFileLeft(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
