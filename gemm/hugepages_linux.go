package gemm

import (
	"syscall"
	"unsafe"
)

// adviseHuge asks for huge pages under n bytes at p, and under what else lies in
// the same ones. A product for a few dozen rows streams through the panels of
// all layers, more than the caches hold and more than there are entries for
// small pages in the processor's tables: with huge ones it takes about a tenth
// less. It is advice; without it nothing but time is lost.
func adviseHuge(p unsafe.Pointer, n int) {
	const (
		page         = 2 << 20
		madvHugepage = 14
	)
	start := uintptr(p) &^ (page - 1)
	end := (uintptr(p) + uintptr(n) + page - 1) &^ (page - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, end-start, madvHugepage)
}
