package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"sort"
	"strconv"
	"strings"

	"kenserve/safetensors"
)

// Tensors is a set of named tensors: a *safetensors.Checkpoint or a
// *safetensors.File.
type Tensors interface {
	Names() []string
	Tensor(name string) (*safetensors.Tensor, bool)
}

// Fingerprint returns a checkpoint's fingerprint, 64 hexadecimal digits, as the
// package comment specifies it. It reads every byte of every tensor.
func Fingerprint(c Tensors) string {
	names := append([]string(nil), c.Names()...)
	sort.Strings(names)
	f := NewFingerprinter()
	for _, name := range names {
		t, ok := c.Tensor(name)
		if !ok { // a programming error in c
			panic(fmt.Sprintf("delta: fingerprint: tensor %s is among the names but cannot be found", name))
		}
		f.Add(name, t)
	}
	return f.Sum()
}

// Fingerprinter makes a checkpoint's fingerprint of its tensors, one after the other.
type Fingerprinter struct{ hash hash.Hash }

// NewFingerprinter returns a fingerprinter that knows no tensor yet.
func NewFingerprinter() Fingerprinter { return Fingerprinter{sha256.New()} }

// Add adds the tensor of that name with its elements. All tensors must be added, sorted
// by name.
func (f Fingerprinter) Add(name string, t *safetensors.Tensor) {
	dims := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		dims[i] = strconv.Itoa(d)
	}
	fmt.Fprintf(f.hash, "%s\x00%s\x00%s\x00", name, t.DType, strings.Join(dims, ","))
	if err := t.Write(f.hash); err != nil { // a hash takes everything, so t has no elements
		panic(fmt.Sprintf("delta: fingerprint: %v", err))
	}
}

// Sum returns the fingerprint of the tensors that were added.
func (f Fingerprinter) Sum() string { return hex.EncodeToString(f.hash.Sum(nil)) }
