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

// Entry is a tensor to write. WriteTo writes its elements, little-endian and row-major, in
// exactly as many bytes as type and shape take. It is called once, in the order of the
// entries, so that a large tensor can be computed while it is written.
type Entry struct {
	Name    string
	DType   DType
	Shape   []int
	WriteTo func(w io.Writer) error
}

// Entry returns the tensor as an entry to write.
func (t *Tensor) Entry() Entry {
	return Entry{Name: t.Name, DType: t.DType, Shape: t.Shape, WriteTo: t.Write}
}

// dataAlignment is the alignment of the data from the start of the file, in bytes. In a
// mapped file a tensor's alignment then depends only on the sizes of those before it.
const dataAlignment = 64

// Write writes a file with the entries in the given order. The same arguments give the same
// bytes.
func Write(w io.Writer, metadata map[string]string, entries []Entry) error {
	header, err := Header(metadata, entries)
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
			return fmt.Errorf("safetensors: write tensor %s: %d bytes were written, %s %v takes %d", e.Name, counted.n, e.DType, e.Shape, want)
		}
	}
	return nil
}

// Header returns the bytes before the data of a file that [Write] would write: the
// length of the header, the JSON, and spaces up to an alignment of 64 bytes.
func Header(metadata map[string]string, entries []Entry) ([]byte, error) {
	out := make([]byte, 8, 4096)
	out = append(out, '{')
	comma := ""
	if len(metadata) > 0 {
		keys := make([]string, 0, len(metadata))
		for k, v := range metadata {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("safetensors: write metadata %q: %w", k, errNotUTF8)
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
			return nil, fmt.Errorf("safetensors: write tensor %[2]q: %[1]w", ErrName, e.Name)
		}
		if seen[e.Name] {
			return nil, fmt.Errorf("safetensors: write tensor %[2]q: %[1]w", errDuplicateKey, e.Name)
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
		return nil, fmt.Errorf("safetensors: write header: %w: %d bytes, at most %d are allowed", errHeaderSize, len(out)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(out, uint64(len(out)-8))
	return out, nil
}

// appendString appends a JSON string.
func appendString(out []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string cannot fail to marshal
		panic(err)
	}
	return append(out, text...)
}

// countingWriter counts the bytes written to w.
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
