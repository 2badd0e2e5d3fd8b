package safetensors

import "syscall"

// minHuge is the size from which on huge pages are worth the memory that their last
// one wastes.
const minHuge = 8 << 20

// adviseHuge asks Linux for huge pages. Errors are ignored, because only speed is lost.
func adviseHuge(region []byte) {
	const madvHugepage = 14
	if len(region) >= minHuge {
		_ = syscall.Madvise(region, madvHugepage)
	}
}
