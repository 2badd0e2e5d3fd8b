package ken

import (
	"bytes"
	"crypto/sha256"
	"math"
	"os"
	"testing"
)

// TestGeneratedRows compares the masks of 10,000 generated rows with those of the
// reference procedure. testdata/generate_masks.py describes the rows, which
// generatedRow makes in the same way, and the file of digests.
func TestGeneratedRows(t *testing.T) {
	const rows = 10_000
	digests, err := os.ReadFile("testdata/masks.bin")
	if err != nil {
		t.Fatal(err)
	}
	if len(digests) != 4*rows {
		t.Fatalf("%d bytes of digests for %d rows", len(digests), rows)
	}
	selector := newSelector(t, KEN)
	failures := 0
	for i := range rows {
		values, k, kind := generatedRow(i)
		mask := make([]uint64, maskWords(len(values)))
		if err := selector.choose(mask, rowPair{tuned: values}, k); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		packed := make([]byte, (len(values)+7)/8)
		packMask(packed, mask, len(values))
		sum := sha256.Sum256(packed)
		if !bytes.Equal(sum[:4], digests[4*i:4*i+4]) {
			if failures++; failures <= 10 {
				t.Errorf("row %d (n=%d k=%d kind %d): mask differs", i, len(values), k, kind)
			}
		}
	}
	t.Logf("%d of %d masks differ", failures, rows)
}

// draw returns number j of the SplitMix64 sequence of a seed.
func draw(seed, j int) uint64 { return splitMix(uint64(seed) + uint64(j)*0x9e3779b97f4a7c15) }

// generatedRow is the function row of generate_masks.py.
func generatedRow(i int) (values []float32, k, kind int) {
	n := 0
	switch share := i % 20; {
	case share == 0:
		n = 3072
	case share < 4:
		n = 1536
	case share < 9:
		n = 768
	case share < 14:
		n = 384
	default:
		n = 2 + int(draw(i, 0)%700)
	}
	k = max(1, []int{1, 2, n / 10, n / 4, n / 2, 3 * n / 4, n - 1, n, n + 5}[draw(i, 1)%9])
	kind = int(draw(i, 2) % 10)
	odd := draw(i, 3)%2 == 1
	scale := math.Ldexp(1, -int(draw(i, 3)%8))
	uniform := func(j, c int) float64 { return float64(draw(i, 4+j*n+c)>>11) * 0x1p-53 }
	values = make([]float32, n)
	for c := range values {
		normal := uniform(0, c) + uniform(1, c)
		for j := 2; j < 6; j++ {
			normal += uniform(j, c)
		}
		normal -= 3
		x := normal
		switch kind {
		case 1:
			x = normal / (uniform(6, c) + 0.03125)
		case 2:
			x = -1
			if uniform(6, c) < 0.5 {
				x = 1
			}
			x += float64(normal * 0.25)
		case 3:
			x = uniform(6, c) - 0.5
		case 4:
			x = math.RoundToEven(normal*16) * 0.0625
		case 5:
			if uniform(6, c) < 0.75 {
				x = 0
			}
		case 6:
			x = 0.75 + float64(normal*0x1p-21)
		case 7:
			if x = uniform(0, 0); odd {
				x = normal * 0x1p-90
			}
		case 8:
			if c == int(draw(i, 0)%uint64(n)) {
				x *= 1000
			}
		case 9:
			x = float64(math.Float32frombits(math.Float32bits(float32(normal)) &^ 0xff))
		}
		values[c] = float32(x * scale)
	}
	return values, k, kind
}
