package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"unicode/utf8"

	"kenserve/internal/atomicfile"
)

// Entry is a tensor to be written. WriteTo writes its elements, little-endian
// and row-major, in exactly the bytes that dtype and shape imply; it is called
// once, in the order of the entries, so a large tensor can be made as it is
// written.
type Entry struct {
	Name    string
	DType   DType
	Shape   []int
	WriteTo func(w io.Writer) error
}

// Entry returns the tensor as something to be written.
func (t *Tensor) Entry() Entry {
	return Entry{Name: t.Name, DType: t.DType, Shape: t.Shape, WriteTo: func(w io.Writer) error {
		_, err := w.Write(t.Data)
		return err
	}}
}

// dataAlignment is what the start of the data is aligned to, from the start of
// the file, so that a mapped file's tensors lie as the entries' sizes imply.
const dataAlignment = 64

// Write writes a container with the entries in the order given. The header's
// text depends on the arguments alone: the same tensors give the same bytes.
func Write(w io.Writer, metadata map[string]string, entries []Entry) error {
	header, err := header(metadata, entries)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("safetensors: write header: %w", err)
	}
	for _, e := range entries {
		count, _ := elements(e.Shape, e.DType.Size())
		want := int64(count) * int64(e.DType.Size())
		counted := &countingWriter{w: w}
		if err := e.WriteTo(counted); err != nil {
			return fmt.Errorf("safetensors: write tensor %s: %w", e.Name, err)
		}
		if counted.n != want {
			return fmt.Errorf("safetensors: write tensor %s: %d bytes written, %s %v needs %d", e.Name, counted.n, e.DType, e.Shape, want)
		}
	}
	return nil
}

// header returns the length and the JSON, padded with spaces.
func header(metadata map[string]string, entries []Entry) ([]byte, error) {
	out := make([]byte, 8, 4096)
	out = append(out, '{')
	comma := ""
	if len(metadata) > 0 {
		keys := make([]string, 0, len(metadata))
		for k, v := range metadata {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("safetensors: write: metadata %q: %w", k, errNotUTF8)
			}
			keys = append(keys, k)
		}
		sort.Strings(keys)
		out = append(out, `"`+metadataKey+`":{`...)
		for _, k := range keys {
			out = append(out, comma...)
			out = append(append(appendString(out, k), ':'), appendString(nil, metadata[k])...)
			comma = ","
		}
		out = append(out, '}')
		comma = ","
	}
	seen := map[string]bool{}
	at := 0
	for _, e := range entries {
		if e.Name == "" || len(e.Name) > MaxName || e.Name == metadataKey || !utf8.ValidString(e.Name) {
			return nil, fmt.Errorf("safetensors: write: %w %q", ErrName, e.Name)
		}
		if seen[e.Name] {
			return nil, fmt.Errorf("safetensors: write: %w %q", errDuplicateKey, e.Name)
		}
		seen[e.Name] = true
		size := e.DType.Size()
		if size == 0 {
			return nil, fmt.Errorf("safetensors: write tensor %s: %w %q", e.Name, errDType, e.DType)
		}
		count, err := elements(e.Shape, size)
		if err != nil {
			return nil, fmt.Errorf("safetensors: write tensor %s: %w", e.Name, err)
		}
		shape := e.Shape
		if shape == nil {
			shape = []int{}
		}
		fields, err := json.Marshal(map[string]any{"dtype": e.DType, "shape": shape, "data_offsets": [2]int{at, at + count*size}})
		if err != nil {
			return nil, fmt.Errorf("safetensors: write tensor %s: %w", e.Name, err)
		}
		at += count * size
		out = append(out, comma...)
		out = append(append(appendString(out, e.Name), ':'), fields...)
		comma = ","
	}
	out = append(out, '}')
	for len(out)%dataAlignment != 0 {
		out = append(out, ' ')
	}
	if len(out)-8 > maxHeader {
		return nil, fmt.Errorf("safetensors: write: %w: %d bytes, at most %d", errHeaderSize, len(out)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(out, uint64(len(out)-8))
	return out, nil
}

func appendString(out []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string cannot fail to marshal
		panic(err)
	}
	return append(out, text...)
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// WriteFile writes a container to path. It replaces the file in one step (see
// package atomicfile), so that a reader that has the old one mapped keeps it.
func WriteFile(path string, metadata map[string]string, entries []Entry) error {
	return Replace(path, func(w io.Writer) error { return Write(w, metadata, entries) })
}

// Replace is [atomicfile.Write].
func Replace(path string, write func(w io.Writer) error) error {
	return atomicfile.Write(path, write)
}
