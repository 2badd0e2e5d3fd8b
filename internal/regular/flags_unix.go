//go:build unix

package regular

import "syscall"

// Flags of open: not to wait for the writer of a pipe, and to refuse a link.
const (
	nonblock = syscall.O_NONBLOCK
	noFollow = syscall.O_NOFOLLOW
)
