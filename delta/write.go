package delta

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// Writer makes a delta file. Tensors are added one by one and spooled to a
// temporary file beside the result, so memory holds one tensor at a time; the
// result appears whole when Finish has written it.
type Writer struct {
	path    string
	spool   *os.File
	buffer  *bufio.Writer
	at      int64
	entries []safetensors.Entry
}

// Create begins the delta file at path. Finish or Abort must be called.
func Create(path string) (*Writer, error) {
	spool, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.spool")
	if err != nil {
		return nil, fmt.Errorf("delta: create %s: %w", path, err)
	}
	return &Writer{path: path, spool: spool, buffer: bufio.NewWriterSize(spool, 1<<18)}, nil
}

// Abort drops what was written. It does nothing after Finish.
func (w *Writer) Abort() {
	if w.spool != nil {
		_ = w.spool.Close()
		_ = os.Remove(w.spool.Name())
		w.spool = nil
	}
}

// Dense adds a tensor that is stored whole: one of the head, under its name in
// the tuned checkpoint, or, in F32, one of the base.
func (w *Writer) Dense(t *safetensors.Tensor) error {
	if err := checkName(t.Name); err != nil {
		return err
	}
	if err := checkFinite(t); err != nil {
		return fmt.Errorf("delta: tensor %s: %w", t.Name, err)
	}
	return w.part(t.Name, t.DType, t.Shape, t.Data)
}

// Masked adds a tensor of the base in sparse form, from all its tiles in order.
// It picks the form of positions and the grain of scales that the package
// comment tells. A tensor that keeps nothing is not added.
func (w *Writer) Masked(name string, coding Coding, height, columns int, tiles []Tile) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, err := ParseCoding(string(coding)); err != nil {
		return fmt.Errorf("delta: tensor %s: %w", name, err)
	}
	kept := 0
	for i := range tiles {
		if tiles[i].index != i {
			return fmt.Errorf("delta: tensor %s: %w: tile %d in place of %d", name, ErrOrder, tiles[i].index, i)
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
	return w.masked(name, m)
}

// masked adds the parts of a tensor in sparse form.
func (w *Writer) masked(name string, m *sparse.Tensor) error {
	for _, p := range partsOf(m) {
		if err := w.part(name+"#"+p.name, p.dtype, p.shape, p.data); err != nil {
			return err
		}
	}
	return nil
}

func checkName(name string) error {
	if strings.ContainsRune(name, '#') || len(name)+len("#"+partScales) > safetensors.MaxName {
		return fmt.Errorf("delta: %w %q: a \"#\" or too long", safetensors.ErrName, name)
	}
	return nil
}

// part spools the bytes of one tensor of the file.
func (w *Writer) part(name string, dtype safetensors.DType, shape []int, data []byte) error {
	if _, err := w.buffer.Write(data); err != nil {
		return fmt.Errorf("delta: write %s: %w", name, err)
	}
	at, size := w.at, int64(len(data))
	w.at += size
	w.entries = append(w.entries, safetensors.Entry{Name: name, DType: dtype, Shape: shape, WriteTo: func(out io.Writer) error {
		_, err := io.Copy(out, io.NewSectionReader(w.spool, at, size))
		return err
	}})
	return nil
}

// Finish writes the file, with the digest, to its path: to a temporary name,
// synced and renamed.
func (w *Writer) Finish(info Info) error {
	defer w.Abort()
	metadata, err := info.metadata()
	if err != nil {
		return err
	}
	digest, err := w.digest(metadata)
	if err != nil {
		return err
	}
	return w.write(metadata, digest)
}

// finished returns what was added in the order of the file.
func (w *Writer) finished(layout string) ([]safetensors.Entry, error) {
	if err := w.buffer.Flush(); err != nil {
		return nil, fmt.Errorf("delta: write %s: %w", w.path, err)
	}
	entries := append([]safetensors.Entry(nil), w.entries...)
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := &entries[i], &entries[j]
		if a.DType.Size() != b.DType.Size() {
			return a.DType.Size() > b.DType.Size()
		}
		return a.Name < b.Name
	})
	if layout == layoutFast {
		entries = append(entries, (&safetensors.Tensor{Name: padName, DType: safetensors.U8, Shape: []int{padBytes}, Data: make([]byte, padBytes)}).Entry())
	}
	return entries, nil
}

// digest returns the digest of the file with this metadata, whose own digest
// is of zeros.
func (w *Writer) digest(metadata map[string]string) (string, error) {
	entries, err := w.finished(metadata[layoutKey])
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if err := safetensors.Write(h, metadata, entries); err != nil {
		return "", fmt.Errorf("delta: write %s: %w", w.path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// write writes the file with this metadata and its digest.
func (w *Writer) write(metadata map[string]string, digest string) error {
	entries, err := w.finished(metadata[layoutKey])
	if err != nil {
		return err
	}
	metadata[digestKey] = digest
	if err := safetensors.WriteFile(w.path, metadata, entries); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	return nil
}
