package safetensors

import (
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/edsrzf/mmap-go"

	"kenserve/internal/hugepages"
	"kenserve/internal/parallel"
)

// readRegion reads a file of the given size into memory of its own, outside of Go's
// heap: the garbage collector need not know of it, it is given back at once, and the
// system fills it with huge pages, which takes a fraction of the time of small ones.
// All cores read, as copying from the page cache takes as long as all checks of a
// delta together. Each reads whole huge pages, because two that write to the same
// new one both clear it. The region may be longer than the file.
func readRegion(file *os.File, size int) (mmap.MMap, error) {
	region := spares.take(size)
	if region == nil {
		var err error
		if region, err = newRegion(size); err != nil {
			return nil, fmt.Errorf("allocate %d bytes: %w", size, err)
		}
	}
	first := -int(uintptr(unsafe.Pointer(unsafe.SliceData(region))) % hugepages.Size) // where the huge page begins that holds the first byte
	err := parallel.Each((size-first+hugepages.Size-1)/hugepages.Size, func(i int) error {
		from := max(0, first+i*hugepages.Size)
		part := region[from:min(first+(i+1)*hugepages.Size, size)]
		n, err := file.ReadAt(part, int64(from))
		if n < len(part) && err == io.EOF {
			return io.ErrUnexpectedEOF // the file has become shorter
		}
		if n == len(part) {
			return nil
		}
		return err
	})
	if err != nil {
		_ = spares.give(region)
		return nil, err
	}
	return region, nil
}
