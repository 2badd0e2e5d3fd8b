package delta

import (
	"fmt"
	"math"

	"kenserve/delta/internal/container"
	"kenserve/safetensors"
)

// Writer makes a delta file in the fast layout. Tensors are added one by one and
// spooled to a temporary file beside the result, so memory holds one tensor at a
// time; the result appears whole when Finish has written it.
type Writer struct{ file *container.Writer }

// Create begins the delta file at path. Finish or Abort must be called.
func Create(path string) (*Writer, error) {
	file, err := container.Create(path)
	if err != nil {
		return nil, err
	}
	return &Writer{file}, nil
}

// Abort drops what was written. It does nothing after Finish.
func (w *Writer) Abort() { w.file.Abort() }

// Dense adds a tensor that is stored whole: one of the head, under its name in
// the tuned checkpoint, or, in F32, one of the base.
func (w *Writer) Dense(t *safetensors.Tensor) error { return w.file.Dense(t) }

// Masked adds a tensor of the base in sparse form, from all its tiles in order.
// It picks the form of positions and the grain of scales that the package
// comment tells. A tensor that keeps nothing is not added.
func (w *Writer) Masked(name string, coding Coding, height, columns int, tiles []Tile) error {
	if err := container.CheckName(name); err != nil {
		return err
	}
	if _, err := ParseCoding(string(coding)); err != nil {
		return fmt.Errorf("delta: tensor %s: %w", name, err)
	}
	kept := 0
	for i := range tiles {
		if tiles[i].index != i {
			return fmt.Errorf("delta: tensor %s: tile %d where tile %d is due", name, tiles[i].index, i)
		}
		kept += tiles[i].kept
	}
	if kept > math.MaxUint32 {
		return fmt.Errorf("delta: tensor %s: %d kept values do not fit the format", name, kept)
	}
	m := encode(coding, height, columns, tiles)
	if m == nil {
		return nil
	}
	return w.file.Sparse(name, m)
}

// Finish writes the file, with the digest, to its path: to a temporary name,
// synced and renamed.
func (w *Writer) Finish(info Info) error {
	defer w.Abort()
	metadata, err := info.metadata()
	if err != nil {
		return err
	}
	digest, err := w.file.Digest(metadata)
	if err != nil {
		return err
	}
	return w.file.Write(metadata, digest)
}
