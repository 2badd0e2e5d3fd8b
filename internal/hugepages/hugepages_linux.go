package hugepages

import (
	"syscall"
	"unsafe"
)

// Advise asks Linux for huge pages for n bytes at p, and for all else in the same huge
// pages. Errors are ignored, because only speed is lost.
func Advise(p unsafe.Pointer, n int) {
	const madvHugepage = 14
	start := uintptr(p) &^ (Size - 1)
	end := (uintptr(p) + uintptr(n) + Size - 1) &^ (Size - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, end-start, madvHugepage)
}
