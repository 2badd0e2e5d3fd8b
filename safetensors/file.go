package safetensors

import (
	"fmt"
	"io"
	"os"

	"github.com/edsrzf/mmap-go"

	"kenserve/internal/inject"
	"kenserve/internal/lfs"
	"kenserve/internal/regular"
)

// File is an open file. It is read-only and may be used by several goroutines at once,
// until Close.
type File struct {
	tensors  []Tensor
	index    map[string]int
	metadata map[string]string
	data     []byte
	mapped   mmap.MMap // the file, which Close unmaps; nil if it is not mapped
	region   mmap.MMap // the memory that Load has read the file into; nil if it has not
	source   *os.File  // of a Stream, which reads the tensors from it
	version  Version   // of a file that Load has read
}

// Version is what the file system tells about the content of a file. Two files with the
// same one have the same bytes, unless someone has set the clock back or written to the
// disk itself. The zero value is no version.
type Version struct {
	device, inode     uint64
	size              int64
	modified, changed int64 // in nanoseconds since 1970
}

// Open maps the file at path into memory and checks its header and offsets. The errors
// wrap regular.ErrNotRegular, [ErrCorrupt] or those of the file system.
func Open(path string) (*File, error) {
	file, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	mapped, err := mmap.MapRegion(file, size, mmap.RDONLY, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("safetensors: map %s: %w", path, err)
	}
	f, err := Parse(mapped)
	if err != nil {
		_ = mapped.Unmap()
		return nil, fmt.Errorf("safetensors: open %s: %w", path, err)
	}
	f.mapped = mapped
	return f, nil
}

// Load does what [Open] does, but reads the file into memory. A mapped file that is cut
// meanwhile is a fault of the process, see package fault, and one that is rewritten in place
// changes under its reader. Close may keep the memory for the next file, for some seconds
// and at most [SpareBytes] in all.
func Load(path string) (*File, error) {
	file, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := inject.Fail(inject.Read); err != nil {
		return nil, fmt.Errorf("safetensors: read %s: %w", path, err)
	}
	version := versionOf(file)
	region, err := readRegion(file, size)
	if err != nil {
		return nil, fmt.Errorf("safetensors: read %s: %w", path, err)
	}
	f, err := Parse(region[:size])
	if err != nil {
		_ = spares.give(region)
		return nil, fmt.Errorf("safetensors: open %s: %w", path, err)
	}
	f.region = region
	if versionOf(file) == version { // it did not change meanwhile
		f.version = version
	}
	return f, nil
}

// openRegular opens a regular file and returns its size. It refuses files of fewer than 8
// bytes, which have no header; an empty file could not be mapped.
func openRegular(path string) (*os.File, int, error) {
	file, info, err := regular.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("safetensors: %w", err)
	}
	if info.Size() < 8 {
		_ = file.Close()
		return nil, 0, fmt.Errorf("safetensors: open %s: %w: %d bytes", path, errTruncated, info.Size())
	}
	beginning := make([]byte, 64)
	n, err := file.ReadAt(beginning, 0)
	if err != nil && err != io.EOF {
		_ = file.Close()
		return nil, 0, fmt.Errorf("safetensors: read %s: %w", path, err)
	}
	if err := lfs.Check(beginning[:n]); err != nil {
		_ = file.Close()
		return nil, 0, fmt.Errorf("safetensors: open %s: %w", path, err)
	}
	return file, int(info.Size()), nil
}

// Parse parses a file that is in memory. The File aliases data.
func Parse(data []byte) (*File, error) {
	tensors, metadata, err := parse(data)
	if err != nil {
		return nil, err
	}
	f := newFile(tensors, metadata)
	f.data = data
	return f, nil
}

func newFile(tensors []Tensor, metadata map[string]string) *File {
	f := &File{tensors: tensors, metadata: metadata, index: make(map[string]int, len(tensors))}
	for i := range tensors {
		f.index[tensors[i].Name] = i
	}
	return f
}

// Names lists the tensors in the order of their data.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i := range f.tensors {
		names[i] = f.tensors[i].Name
	}
	return names
}

// Tensor returns the tensor of that name, and whether there is one.
func (f *File) Tensor(name string) (*Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return nil, false
	}
	return &f.tensors[i], true
}

// Metadata returns the strings of the header. The map must not be changed.
func (f *File) Metadata() map[string]string { return f.metadata }

// Forget drops the directory: the file then lists no tensors and no metadata. It saves
// tens of kilobytes for each file that a caller keeps open only for tensors it has
// already. Those stay valid until Close.
func (f *File) Forget() { f.tensors, f.index, f.metadata = nil, nil, nil }

// Version returns the version of the file whose bytes [Load] has read. It is the zero
// value if there is no file, if it has changed within the last two seconds, in which a
// change might leave no trace, or on systems other than Linux.
func (f *File) Version() Version { return f.version }

// Data returns all bytes of the file, header included.
func (f *File) Data() []byte { return f.data }

// Close unmaps the file, or gives its memory back. Its tensors must not be used
// afterwards.
func (f *File) Close() error {
	f.tensors, f.index, f.data = nil, nil, nil
	switch {
	case f.source != nil:
		return f.source.Close()
	case f.mapped != nil:
		return f.mapped.Unmap()
	case f.region != nil:
		region := f.region
		f.region = nil // a second Close must not give it away twice
		return spares.give(region)
	}
	return nil
}
