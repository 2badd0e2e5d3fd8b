package deltatest

import (
	"bytes"
	"strings"
	"testing"

	"kenserve/delta/internal/container"
	"kenserve/safetensors"
)

// File is a container taken apart, for tests that damage it.
type File struct {
	Metadata map[string]string
	Tensors  []safetensors.Tensor
}

// TakeApart copies a delta file apart.
func TakeApart(t testing.TB, data []byte) *File {
	t.Helper()
	data = bytes.Clone(data)
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	out := &File{Metadata: f.Metadata()}
	for _, name := range f.Names() {
		tensor, _ := f.Tensor(name)
		out.Tensors = append(out.Tensors, *tensor)
	}
	return out
}

// Find returns the tensor called name, or nil.
func (f *File) Find(name string) *safetensors.Tensor {
	for i := range f.Tensors {
		if f.Tensors[i].Name == name {
			return &f.Tensors[i]
		}
	}
	return nil
}

// Tensor returns the tensor called name, which must be there.
func (f *File) Tensor(name string) *safetensors.Tensor {
	if t := f.Find(name); t != nil {
		return t
	}
	panic("no tensor " + name)
}

// Remove removes a tensor, which must be there.
func (f *File) Remove(name string) {
	for i := range f.Tensors {
		if f.Tensors[i].Name == name {
			f.Tensors = append(f.Tensors[:i], f.Tensors[i+1:]...)
			return
		}
	}
	panic("no tensor " + name)
}

// Insert adds a tensor before the padding.
func (f *File) Insert(t safetensors.Tensor) {
	f.Tensors = append(f.Tensors[:len(f.Tensors)-1], t, f.Tensors[len(f.Tensors)-1])
}

// Bytes puts the file together again with digests that are right, unless they were
// removed.
func (f *File) Bytes(t testing.TB) []byte {
	t.Helper()
	var entries []safetensors.Entry
	for i := range f.Tensors {
		entries = append(entries, f.Tensors[i].Entry())
	}
	for _, key := range []string{container.DigestKey, container.DataDigestKey} {
		if f.Metadata[key] != "" {
			f.Metadata[key] = strings.Repeat(key[:1], len(container.NoDigest)) // differs from all others
		}
	}
	var out bytes.Buffer
	if err := safetensors.Write(&out, f.Metadata, entries); err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	// The error is a key that the test has removed.
	_ = container.Renew(data, f.Metadata)
	return data
}
