package deltatest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

// Bytes puts the file together again with a digest that is right.
func (f *File) Bytes(t testing.TB) []byte {
	t.Helper()
	var entries []safetensors.Entry
	for i := range f.Tensors {
		entries = append(entries, f.Tensors[i].Entry())
	}
	if f.Metadata[container.DigestKey] != "" {
		f.Metadata[container.DigestKey] = container.NoDigest
	}
	if f.Metadata[container.VersionKey] != container.Version1 {
		return f.version2(t, entries)
	}
	for range 2 {
		var out bytes.Buffer
		if err := safetensors.Write(&out, f.Metadata, entries); err != nil {
			t.Fatal(err)
		}
		if f.Metadata[container.DigestKey] != container.NoDigest {
			return out.Bytes()
		}
		sum := sha256.Sum256(out.Bytes())
		f.Metadata[container.DigestKey] = hex.EncodeToString(sum[:])
	}
	panic("unreachable")
}

func (f *File) version2(t testing.TB, entries []safetensors.Entry) []byte {
	var out bytes.Buffer
	if f.Metadata[container.DataDigestKey] != "" {
		f.Metadata[container.DataDigestKey] = container.DataDigest(f.data())
	}
	if f.Metadata[container.DigestKey] != "" {
		header, err := safetensors.Header(f.Metadata, entries)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(header)
		f.Metadata[container.DigestKey] = hex.EncodeToString(sum[:])
	}
	if err := safetensors.Write(&out, f.Metadata, entries); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (f *File) data() []byte {
	var out []byte
	for i := range f.Tensors {
		out = append(out, f.Tensors[i].Data...)
	}
	return out
}
