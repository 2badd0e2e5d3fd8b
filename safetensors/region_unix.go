//go:build unix

package safetensors

import (
	"unsafe"

	"github.com/edsrzf/mmap-go"

	"kenserve/internal/hugepages"
)

// minHuge is the size from which on huge pages are worth the memory that their last
// one wastes.
const minHuge = 8 << 20

// newRegion returns zeroed memory. COPY makes it private to the process: RDWR would make
// it shared memory, which takes several times as long to fill and seldom has huge pages.
func newRegion(size int) (mmap.MMap, error) {
	region, err := mmap.MapRegion(nil, size, mmap.COPY, mmap.ANON, 0)
	if err == nil && size >= minHuge {
		hugepages.Advise(unsafe.Pointer(unsafe.SliceData(region)), size)
	}
	return region, err
}
