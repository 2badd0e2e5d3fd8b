//go:build !noasm && amd64

package kernel

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"kenserve/internal/sparse"
)

// The kernels that turn gaps into masks and signs agree with a loop over single gaps, and
// do not write outside their results.
func TestGapsToMasks(t *testing.T) {
	if current < AVX512 {
		t.Skip("only AVX-512 has the kernels")
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 5000 {
		k := 1 + r.IntN(80)
		signed, code := r.IntN(2) == 0, sparse.PlainGaps
		if signed {
			code = sparse.SignGaps
		}
		words := (k + 3) &^ 3
		masks, want := make([]uint16, words+4), make([]uint16, words+4)
		for i := words; i < len(masks); i++ {
			masks[i], want[i] = 0xeeee, 0xeeee
		}
		var gaps, signs []byte
		kept := 0
		for p, d := -1, 0; ; p += d {
			if d = 1 + r.IntN(1+r.IntN(400)); p+d >= tileRows*k {
				break
			}
			want[(p+d)/16] |= 1 << ((p + d) % 16)
			if kept%8 == 0 {
				signs = append(signs, 0)
			}
			sign := byte(0)
			if signed {
				sign = byte(r.IntN(2))
				signs[kept/8] |= sign << (kept % 8)
			}
			gaps = code.Append(gaps, d)
			gaps[len(gaps)-1] |= sign << 7
			kept++
		}
		if kept == 0 {
			continue
		}
		if !signed {
			gapsToMasksAVX512(&masks[0], &gaps[0], len(gaps), 0)
		} else {
			signGapsToMasksAVX512(&masks[0], &gaps[0], len(gaps), 0)
			got := bytes.Repeat([]byte{0xee}, kept/8+8+8)
			gapSignsAVX512(&got[0], &gaps[0], len(gaps))
			if !bytes.Equal(got[:len(signs)], signs) {
				t.Fatalf("signs of %v: %08b, want %08b", gaps, got[:len(signs)], signs)
			}
			if !bytes.Equal(got[kept/8+8:], bytes.Repeat([]byte{0xee}, 8)) {
				t.Fatalf("signs of %v: a store more than 8 bytes after the whole bytes", gaps)
			}
		}
		if !slices.Equal(masks, want) {
			t.Fatalf("masks of %v: %016b, want %016b", gaps, masks, want)
		}
	}
}
