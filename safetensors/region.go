package safetensors

import (
	"fmt"
	"io"
	"os"

	"github.com/edsrzf/mmap-go"

	"kenserve/internal/parallel"
)

// readPart is the number of bytes that a goroutine reads at a time.
const readPart = 1 << 20

// readRegion reads a file of the given size into memory of its own, outside of Go's
// heap: the garbage collector need not know of it, it is given back at once, and the
// system fills it with huge pages, which takes a fraction of the time of small ones.
// All cores read, as copying from the page cache takes as long as all checks of a
// delta together.
func readRegion(file *os.File, size int) (mmap.MMap, error) {
	region, err := mmap.MapRegion(nil, size, mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("allocate %d bytes: %w", size, err)
	}
	adviseHuge(region)
	err = parallel.Each((size+readPart-1)/readPart, func(i int) error {
		part := region[i*readPart : min((i+1)*readPart, size)]
		n, err := file.ReadAt(part, int64(i*readPart))
		if n < len(part) && err == io.EOF {
			return io.ErrUnexpectedEOF // the file has become shorter
		}
		if n == len(part) {
			return nil
		}
		return err
	})
	if err != nil {
		_ = region.Unmap()
		return nil, err
	}
	return region, nil
}
