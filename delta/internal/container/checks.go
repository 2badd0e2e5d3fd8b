package container

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"kenserve/safetensors"
)

// ErrDigest means that the file's digest is not that of its bytes.
var ErrDigest = errors.New("digest differs")

// HexDigest returns s, or an error if s is not a SHA-256 in lower-case
// hexadecimal.
func HexDigest(s string) (string, error) {
	if len(s) != len(NoDigest) || strings.Trim(s, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not a SHA-256 in lower-case hexadecimal", s)
	}
	return s, nil
}

// CheckDigest compares the digest in a file's header, want, with the SHA-256 of
// the file's bytes, in which the digits of want are replaced by zeros. The bytes
// must be a container that package safetensors has accepted.
func CheckDigest(data []byte, want string) error {
	if _, err := HexDigest(want); err != nil {
		return fmt.Errorf("metadata: %s: %w", DigestKey, err)
	}
	// Search the header alone: tensors may contain the digits by chance. The
	// container's reader has checked that the header is within the data.
	n := int(uint32(data[0])|uint32(data[1])<<8|uint32(data[2])<<16) + 8
	at := bytes.Index(data[:n], []byte(want))
	if at < 0 || bytes.Contains(data[at+1:n], []byte(want)) {
		return fmt.Errorf("%w: the digits of %s must appear exactly once in the header", ErrDigest, DigestKey)
	}
	h := sha256.New()
	h.Write(data[:at])
	h.Write([]byte(NoDigest))
	h.Write(data[at+len(want):])
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%w: the file has %s, its header says %s", ErrDigest, got, want)
	}
	return nil
}

// CheckFinite refuses NaN and infinity in a dense tensor, and the dtype F64.
func CheckFinite(t *safetensors.Tensor) error {
	if t.DType == safetensors.F64 {
		return fmt.Errorf("dense in %s, want F32, F16, BF16 or integers", t.DType)
	}
	if !t.DType.Float() {
		return nil
	}
	var block [1024]float32
	for from := 0; from < t.Len(); from += len(block) {
		part := block[:min(len(block), t.Len()-from)]
		if err := t.Float32s(part, from); err != nil {
			return err
		}
		if i := firstNotFinite(part); i >= 0 {
			return fmt.Errorf("element %d is %g", from+i, part[i])
		}
	}
	return nil
}

// firstNotFinite returns the index of the first NaN or infinity, or −1.
func firstNotFinite(x []float32) int {
	for i, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return i
		}
	}
	return -1
}

// Vector returns the elements of a part that must have one dimension and the
// given dtype. They alias the part's data where the machine allows it.
func Vector[T safetensors.Number](t *safetensors.Tensor, dtype safetensors.DType) ([]T, error) {
	if t.DType != dtype {
		return nil, fmt.Errorf("%s: %s, want %s", t.Name, t.DType, dtype)
	}
	if len(t.Shape) != 1 {
		return nil, fmt.Errorf("%s: shape %v, want one dimension", t.Name, t.Shape)
	}
	return safetensors.View[T](t)
}
