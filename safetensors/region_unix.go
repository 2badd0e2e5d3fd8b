//go:build unix

package safetensors

import (
	"github.com/edsrzf/mmap-go"
)

// newRegion returns zeroed memory. COPY makes it private to the process: RDWR would make
// it shared memory, which takes several times as long to fill and seldom has huge pages.
func newRegion(size int) (mmap.MMap, error) {
	region, err := mmap.MapRegion(nil, size, mmap.COPY, mmap.ANON, 0)
	if err == nil {
		adviseHuge(region)
	}
	return region, err
}
