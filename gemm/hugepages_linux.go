package gemm

import (
	"syscall"
	"unsafe"
)

// adviseHuge asks Linux for huge pages for n bytes at p, and for all else in the
// same huge pages. A product of a few dozen rows streams through the panels of all
// layers: they are larger than the caches, and have more small pages than the TLB has
// entries. Huge pages make it about a tenth faster. Errors are ignored, because only
// speed is lost.
func adviseHuge(p unsafe.Pointer, n int) {
	const (
		hugePage     = 2 << 20
		madvHugepage = 14
	)
	start := uintptr(p) &^ (hugePage - 1)
	end := (uintptr(p) + uintptr(n) + hugePage - 1) &^ (hugePage - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, end-start, madvHugepage)
}
