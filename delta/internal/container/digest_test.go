package container

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"lukechampine.com/blake3"
)

// TestDataDigest compares the parallel digest, and the one that is written to piece
// by piece, with the definition in the package comment of delta.
func TestDataDigest(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 5*chunkBytes + 12345} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		var digests []byte
		for rest := data; len(rest) > 0; {
			chunk := rest[:min(1<<18, len(rest))]
			sum := blake3.Sum256(chunk)
			digests, rest = append(digests, sum[:]...), rest[len(chunk):]
		}
		sum := blake3.Sum256(digests)
		want := hex.EncodeToString(sum[:])
		if got := dataDigest(data); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
		h := newDataHash()
		for rest := data; len(rest) > 0; {
			piece := rest[:min(1+r.IntN(300_000), len(rest))]
			_, _ = h.Write(piece)
			rest = rest[len(piece):]
		}
		if got := h.digest(); got != want {
			t.Errorf("%d bytes in pieces: %s, want %s", n, got, want)
		}
	}
}
