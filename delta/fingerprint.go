package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
	h := sha256.New()
	for _, name := range names {
		t, ok := c.Tensor(name)
		if !ok { // a programming error in c
			panic(fmt.Sprintf("delta: fingerprint: tensor %s is among the names but cannot be found", name))
		}
		dims := make([]string, len(t.Shape))
		for i, d := range t.Shape {
			dims[i] = strconv.Itoa(d)
		}
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00", name, t.DType, strings.Join(dims, ","))
		h.Write(t.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}
