package safetensors

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kenserve/internal/inject"
)

// Stream reads the tensors of a checkpoint one by one into memory. Nothing is mapped: a
// file that is cut or rewritten meanwhile gives an error or other bytes, never a fault of
// the process, and what was read stays as it is.
type Stream struct{ checkpoint *Checkpoint }

// place is where a tensor's bytes are.
type place struct {
	file *os.File
	at   int64
	size int // bytes
}

// OpenStream opens the weights that [OpenCheckpoint] would open, and reads their headers.
// Errors are as of OpenCheckpoint.
func OpenStream(path string) (*Stream, error) {
	c, err := openCheckpoint(path, openStreamFile)
	if err != nil {
		return nil, err
	}
	return &Stream{c}, nil
}

// openStreamFile opens a file and reads its header.
func openStreamFile(path string) (_ *File, err error) {
	file, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	beginning := make([]byte, 8)
	if _, err := file.ReadAt(beginning, 0); err != nil {
		return nil, fmt.Errorf("safetensors: read %s: %w", path, err)
	}
	n, err := headerBytes(beginning, uint64(size))
	if err != nil {
		return nil, fmt.Errorf("safetensors: open %s: %w", path, err)
	}
	header := make([]byte, n)
	if _, err := file.ReadAt(header, 8); err != nil && err != io.EOF {
		return nil, fmt.Errorf("safetensors: read %s: %w", path, err)
	}
	entries, metadata, err := parseHeader(header, uint64(size-8)-n)
	if err != nil {
		return nil, fmt.Errorf("safetensors: open %s: %w", path, err)
	}
	tensors := make([]Tensor, len(entries))
	for i, e := range entries {
		tensors[i] = e.Tensor
		tensors[i].place = &place{file, int64(8 + n + e.begin), int(e.end - e.begin)}
	}
	f := newFile(tensors, metadata)
	f.source = file
	return f, nil
}

// Names lists the tensors, sorted.
func (s *Stream) Names() []string { return s.checkpoint.Names() }

// Tensor returns the tensor of that name without its elements, and whether there is one.
func (s *Stream) Tensor(name string) (*Tensor, bool) { return s.checkpoint.Tensor(name) }

// Files returns the paths of the files.
func (s *Stream) Files() []string {
	var paths []string
	for _, f := range s.checkpoint.files {
		paths = append(paths, filepath.Clean(f.source.Name()))
	}
	return paths
}

// Read reads the tensor of that name, which the checkpoint must have, into buffer, or into
// new memory if buffer is too small.
func (s *Stream) Read(name string, buffer []byte) (*Tensor, error) {
	t, ok := s.checkpoint.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("safetensors: read tensor %s: there is none", name)
	}
	p := t.place
	if cap(buffer) < p.size {
		buffer = make([]byte, p.size)
	}
	if err := inject.Fail(inject.Read); err != nil {
		return nil, fmt.Errorf("safetensors: read tensor %s: %w", name, err)
	}
	data := buffer[:p.size:p.size]
	if _, err := p.file.ReadAt(data, p.at); err != nil && (p.size > 0 || err != io.EOF) {
		return nil, fmt.Errorf("safetensors: read tensor %s of %s: %w", name, p.file.Name(), err)
	}
	return &Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape, Data: data}, nil
}

// Close closes the files. Tensors that were read stay valid.
func (s *Stream) Close() error { return s.checkpoint.Close() }
