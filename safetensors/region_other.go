//go:build !unix

package safetensors

import "github.com/edsrzf/mmap-go"

// newRegion returns zeroed memory.
func newRegion(size int) (mmap.MMap, error) {
	return mmap.MapRegion(nil, size, mmap.RDWR, mmap.ANON, 0)
}
