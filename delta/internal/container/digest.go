package container

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"lukechampine.com/blake3"

	"kenserve/internal/parallel"
)

// ErrDigest means that the file's digest is not that of its bytes.
var ErrDigest = errors.New("digest differs")

// chunkBytes is the size of the chunks of data that are hashed independently of
// each other. It fits into a second-level cache.
const chunkBytes = 256 << 10

// HexDigest returns s, or an error if s is not a digest of 32 bytes in lower-case
// hexadecimal.
func HexDigest(s string) (string, error) {
	if len(s) != len(NoDigest) || strings.Trim(s, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not a digest of 32 bytes in lower-case hexadecimal", s)
	}
	return s, nil
}

// checkDigest checks the digests in a file's metadata against the file's bytes. The
// bytes must be a container that package safetensors has accepted. Errors are as of
// [Verify].
func checkDigest(file []byte, metadata map[string]string) error {
	want, err := HexDigest(metadata[DigestKey])
	if err != nil {
		return fmt.Errorf("metadata: %s: %w", DigestKey, err)
	}
	// The container's reader has checked that the header is within the file.
	header := file[:headerBytes(file)]
	hashed := header
	if metadata[VersionKey] == Version1 {
		hashed = file
	}
	got, err := headDigest(header, hashed, want)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: the file has %s, its header says %s", ErrDigest, got, want)
	}
	if metadata[VersionKey] == Version1 {
		return nil
	}
	if want, err = HexDigest(metadata[DataDigestKey]); err != nil {
		return fmt.Errorf("metadata: %s: %w", DataDigestKey, err)
	}
	if got := dataDigest(file[len(header):]); got != want {
		return fmt.Errorf("%w: the tensors have %s, the header says %s", ErrDigest, got, want)
	}
	return nil
}

// Renew puts the digests of a file right, in place, after its bytes were changed.
// metadata are those of its header. Errors are as of [Verify].
func Renew(file []byte, metadata map[string]string) error {
	header := file[:headerBytes(file)]
	if metadata[VersionKey] != Version1 {
		old := []byte(metadata[DataDigestKey])
		at := bytes.Index(header, old)
		if len(old) != len(NoDigest) || at < 0 {
			return fmt.Errorf("metadata: %s is missing", DataDigestKey)
		}
		copy(header[at:], dataDigest(file[len(header):]))
		file = header
	}
	old := metadata[DigestKey]
	digest, err := headDigest(header, file, old)
	if err != nil {
		return err
	}
	copy(header[bytes.Index(header, []byte(old)):], digest)
	return nil
}

// headerBytes returns the length of a container's header, with the 8 bytes that
// hold the length of the rest.
func headerBytes(file []byte) int {
	return int(uint32(file[0])|uint32(file[1])<<8|uint32(file[2])<<16) + 8
}

// headDigest returns the SHA-256 of hashed, in which the digits of digest are
// replaced by zeros. They must appear exactly once in the header, with which hashed
// begins. Tensors may contain them by chance.
func headDigest(header, hashed []byte, digest string) (string, error) {
	at := bytes.Index(header, []byte(digest))
	if at < 0 || bytes.Contains(header[at+1:], []byte(digest)) {
		return "", fmt.Errorf("%w: the digits of %s must appear exactly once in the header", ErrDigest, DigestKey)
	}
	h := sha256.New()
	h.Write(hashed[:at])
	h.Write([]byte(NoDigest))
	h.Write(hashed[at+len(digest):])
	return hex.EncodeToString(h.Sum(nil)), nil
}

// dataDigest returns the digest of the tensors' bytes. All cores hash chunks.
func dataDigest(data []byte) string {
	chunks := (len(data) + chunkBytes - 1) / chunkBytes
	digests := make([]byte, 32*chunks)
	_ = parallel.Each(chunks, func(i int) error { // no call fails
		sum := blake3.Sum256(data[i*chunkBytes : min((i+1)*chunkBytes, len(data))])
		copy(digests[32*i:], sum[:])
		return nil
	})
	sum := blake3.Sum256(digests)
	return hex.EncodeToString(sum[:])
}

// dataHash computes the digest that dataDigest returns, from data written to it in pieces.
type dataHash struct {
	chunk   *blake3.Hasher
	in      int // bytes of the chunk so far
	digests *blake3.Hasher
}

func newDataHash() *dataHash {
	return &dataHash{chunk: blake3.New(32, nil), digests: blake3.New(32, nil)}
}

// Write implements io.Writer. It does not fail.
func (h *dataHash) Write(data []byte) (int, error) {
	n := len(data)
	for len(data) > 0 {
		part := data[:min(len(data), chunkBytes-h.in)]
		_, _ = h.chunk.Write(part)
		data = data[len(part):]
		if h.in += len(part); h.in == chunkBytes {
			h.endChunk()
		}
	}
	return n, nil
}

func (h *dataHash) endChunk() {
	_, _ = h.digests.Write(h.chunk.Sum(nil))
	h.chunk.Reset()
	h.in = 0
}

// digest returns the digest of all that was written. Nothing may be written
// afterwards.
func (h *dataHash) digest() string {
	if h.in > 0 {
		h.endChunk()
	}
	return hex.EncodeToString(h.digests.Sum(nil))
}
