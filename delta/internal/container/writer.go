package container

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// Writer writes a delta file in either layout. It spools each added tensor to a
// temporary file beside the result, so that memory holds one tensor at a time and
// the file can be put in its order at the end.
type Writer struct {
	path    string
	spool   *os.File
	buffer  *bufio.Writer
	spooled int64 // bytes
	entries []safetensors.Entry
}

// Create begins the delta file at path. Abort must be called in the end.
func Create(path string) (*Writer, error) {
	spool, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.spool")
	if err != nil {
		return nil, fmt.Errorf("delta: create %s: %w", path, err)
	}
	return &Writer{path: path, spool: spool, buffer: bufio.NewWriterSize(spool, 1<<18)}, nil
}

// Abort removes the spooled tensors. It does not touch a file that Write has
// written.
func (w *Writer) Abort() {
	if w.spool != nil {
		_ = w.spool.Close()
		_ = os.Remove(w.spool.Name())
		w.spool = nil
	}
}

// Dense adds a tensor that is stored whole.
func (w *Writer) Dense(t *safetensors.Tensor) error {
	if err := CheckName(t.Name); err != nil {
		return err
	}
	if err := CheckFinite(t); err != nil {
		return fmt.Errorf("delta: tensor %s: %w", t.Name, err)
	}
	return w.Add(t.Name, t.DType, t.Shape, t.Data)
}

// Sparse adds the parts of a masked tensor.
func (w *Writer) Sparse(name string, t *sparse.Tensor) error {
	for _, p := range Parts(t) {
		if err := w.Add(name+"#"+p.Name, p.DType, p.Shape, p.Data); err != nil {
			return err
		}
	}
	return nil
}

// CheckName refuses names of tensors that cannot have parts.
func CheckName(name string) error {
	if strings.ContainsRune(name, '#') || len(name)+len("#"+PartScales) > safetensors.MaxName {
		return fmt.Errorf("delta: %w %q: a name must have no \"#\" and at most %d bytes", safetensors.ErrName, name, safetensors.MaxName-len("#"+PartScales))
	}
	return nil
}

// Add spools one tensor of the file.
func (w *Writer) Add(name string, dtype safetensors.DType, shape []int, data []byte) error {
	if _, err := w.buffer.Write(data); err != nil {
		return fmt.Errorf("delta: write %s: %w", name, err)
	}
	at, size := w.spooled, int64(len(data))
	w.spooled += size
	w.entries = append(w.entries, safetensors.Entry{Name: name, DType: dtype, Shape: shape, WriteTo: func(out io.Writer) error {
		_, err := io.Copy(out, io.NewSectionReader(w.spool, at, size))
		return err
	}})
	return nil
}

// inOrder returns the added tensors in the order of the file: those with wide
// elements first, which aligns each to its elements, then by name. The last
// tensor of the fast layout is the padding.
func (w *Writer) inOrder(layout string) ([]safetensors.Entry, error) {
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
	if layout == LayoutFast {
		entries = append(entries, (&safetensors.Tensor{Name: PadName, DType: safetensors.U8, Shape: []int{PadBytes}, Data: make([]byte, PadBytes)}).Entry())
	}
	return entries, nil
}

// Digest returns the digest of the file with this metadata, in which the digest
// must be [NoDigest]. From version 2 on it first puts the digest of the data into
// the metadata.
func (w *Writer) Digest(metadata map[string]string) (string, error) {
	entries, err := w.inOrder(metadata[LayoutKey])
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if metadata[VersionKey] == Version1 {
		err = safetensors.Write(h, metadata, entries)
	} else {
		err = w.headerDigest(h, metadata, entries)
	}
	if err != nil {
		return "", fmt.Errorf("delta: write %s: %w", w.path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// headerDigest writes the header to h, with the digest of the entries' data.
func (w *Writer) headerDigest(h io.Writer, metadata map[string]string, entries []safetensors.Entry) error {
	data := newDataHash()
	for _, e := range entries {
		if err := e.WriteTo(data); err != nil {
			return err
		}
	}
	metadata[DataDigestKey] = data.digest()
	header, err := safetensors.Header(metadata, entries)
	if err != nil {
		return err
	}
	_, err = h.Write(header)
	return err
}

// Write writes the file, with the digest put into metadata, and replaces a file
// that is at its path in one step.
func (w *Writer) Write(metadata map[string]string, digest string) error {
	entries, err := w.inOrder(metadata[LayoutKey])
	if err != nil {
		return err
	}
	metadata[DigestKey] = digest
	if err := safetensors.WriteFile(w.path, metadata, entries); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	return nil
}
