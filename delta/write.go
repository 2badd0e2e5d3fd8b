package delta

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"

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

// Masked adds a tensor of the base in sparse form, from its tiles in rising
// order. Tiles that keep nothing are left out; a tensor that keeps nothing is
// not added.
func (w *Writer) Masked(name string, coding Coding, height, columns int, tiles []Tile) error {
	if err := checkName(name); err != nil {
		return err
	}
	var m Masked
	kept, last := 0, -1
	for i := range tiles {
		t := &tiles[i]
		if t.index <= last || t.index > math.MaxUint32 {
			return fmt.Errorf("delta: tensor %s: %w: tile %d after tile %d", name, ErrOrder, t.index, last)
		}
		if last = t.index; t.kept == 0 {
			continue
		}
		if kept += t.kept; kept > math.MaxUint32 {
			return fmt.Errorf("delta: tensor %s: %d kept values do not fit the format", name, kept)
		}
		m.Tiles = append(m.Tiles, uint32(t.index))
		m.Ends = append(m.Ends, uint32(kept))
		m.Mask16 = append(m.Mask16, t.mask16...)
		m.Mask8 = append(m.Mask8, t.mask8...)
		m.Scales = append(m.Scales, t.scales...)
		m.Float32s = append(m.Float32s, t.float32s...)
		m.Int8s = append(m.Int8s, t.int8s...)
	}
	if kept == 0 {
		return nil
	}
	n := len(m.Tiles)
	errs := []error{
		w.part(name+"#"+partTiles, safetensors.U32, []int{n}, safetensors.Bytes(m.Tiles)),
		w.part(name+"#"+partEnds, safetensors.U32, []int{n}, safetensors.Bytes(m.Ends)),
	}
	if height == matrixHeight {
		errs = append(errs, w.part(name+"#"+partMask, safetensors.U16, []int{n, columns}, safetensors.Bytes(m.Mask16)))
	} else {
		errs = append(errs, w.part(name+"#"+partMask, safetensors.U8, []int{n, (columns + 7) / 8}, m.Mask8))
	}
	if coding.scaled() {
		errs = append(errs, w.part(name+"#"+partScales, safetensors.F32, []int{n, height}, safetensors.Bytes(m.Scales)))
	}
	switch coding {
	case Float32:
		errs = append(errs, w.part(name+"#"+partValues, safetensors.F32, []int{kept}, safetensors.Bytes(m.Float32s)))
	case Int8:
		errs = append(errs, w.part(name+"#"+partValues, safetensors.I8, []int{kept}, safetensors.Bytes(m.Int8s)))
	case Sign:
		signs := make([]byte, 0, (kept+7)/8)
		i := 0
		for t := range tiles {
			for _, up := range tiles[t].signs {
				if i%8 == 0 {
					signs = append(signs, 0)
				}
				if up {
					signs[i/8] |= 1 << (i % 8)
				}
				i++
			}
		}
		errs = append(errs, w.part(name+"#"+partValues, safetensors.U8, []int{len(signs)}, signs))
	default:
		return fmt.Errorf("delta: tensor %s: %w %q", name, ErrCoding, coding)
	}
	return errors.Join(errs...)
}

func checkName(name string) error {
	if strings.ContainsRune(name, '#') || len(name)+len("#scales") > safetensors.MaxName {
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
	if err := w.buffer.Flush(); err != nil {
		return fmt.Errorf("delta: write %s: %w", w.path, err)
	}
	entries := append([]safetensors.Entry(nil), w.entries...)
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := &entries[i], &entries[j]
		if a.DType.Size() != b.DType.Size() {
			return a.DType.Size() > b.DType.Size()
		}
		return a.Name < b.Name
	})
	entries = append(entries, (&safetensors.Tensor{Name: padName, DType: safetensors.U8, Shape: []int{padBytes}, Data: make([]byte, padBytes)}).Entry())
	// The digest is part of the header: once to learn it, once to write it.
	h := sha256.New()
	if err := safetensors.Write(h, metadata, entries); err != nil {
		return fmt.Errorf("delta: write %s: %w", w.path, err)
	}
	metadata[digestKey] = hex.EncodeToString(h.Sum(nil))
	if err := safetensors.WriteFile(w.path, metadata, entries); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	return nil
}
