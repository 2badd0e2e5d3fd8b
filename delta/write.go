package delta

import (
	"fmt"
	"math"

	"kenserve/delta/internal/container"
	"kenserve/safetensors"
)

// Writer writes a delta file in the fast layout. Tensors are added one by one and
// spooled to a temporary file beside the result, so that memory holds one tensor
// at a time. The file appears, complete, when Finish has succeeded.
type Writer struct {
	file      *container.Writer
	rows      map[string]int // of tables that were resized
	tokenizer bool           // the file has a tokenizer
}

// Create begins the delta file at path. Finish or Abort must be called.
func Create(path string) (*Writer, error) {
	file, err := container.Create(path)
	if err != nil {
		return nil, err
	}
	return &Writer{file: file}, nil
}

// Abort drops the added tensors. It does nothing after Finish.
func (w *Writer) Abort() { w.file.Abort() }

// Dense adds a dense tensor: one of the head, under its name in the tuned
// checkpoint, or one of the base, in F32.
func (w *Writer) Dense(t *safetensors.Tensor) error { return w.file.Dense(t) }

// Masked adds a masked tensor of the base. tiles are all its tiles, in order, made
// by [EncodeTile] with the same coding, height and columns; they are empty
// afterwards. Masked picks the form of positions and the number of scales as the
// package comment specifies, and adds nothing if no value is kept.
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
			return fmt.Errorf("delta: tensor %s: got tile %d in place of tile %d", name, tiles[i].index, i)
		}
		kept += tiles[i].kept
	}
	if kept > math.MaxUint32 {
		return fmt.Errorf("delta: tensor %s: %d kept values, at most %d", name, kept, uint32(math.MaxUint32))
	}
	m := encode(coding, height, columns, tiles)
	if m == nil {
		return nil
	}
	return w.file.Sparse(name, m)
}

// Finish writes the file with this metadata, of which it sets Rows and OwnTokenizer
// itself. It replaces a file at its path in one step.
func (w *Writer) Finish(info Info) error {
	defer w.Abort()
	info.Rows, info.OwnTokenizer = w.rows, w.tokenizer
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

// Rewrite changes the metadata of the delta file at path, which must be in the fast layout.
// Its tensors stay as they are.
func Rewrite(path string, change func(*Info)) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	defer f.Close()
	info, err := ParseInfo(f.Metadata(), container.LayoutFast)
	if err != nil {
		return fmt.Errorf("delta: rewrite %s: %w", path, err)
	}
	w, err := Create(path)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, name := range f.Names() {
		if name == container.PadName {
			continue
		}
		t, _ := f.Tensor(name)
		if err := w.file.Add(name, t.DType, t.Shape, t.Data); err != nil {
			return err
		}
	}
	change(&info)
	return w.Finish(info)
}
