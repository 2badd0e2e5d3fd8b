package kde

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"os"
	"slices"
	"testing"
)

// TestNumpy compares with numpy on rows of 1 to 5,000 values. testdata/golden.py
// describes the rows and the file.
func TestNumpy(t *testing.T) {
	const longest = 5000
	content, err := os.ReadFile("testdata/numpy.bin")
	if err != nil {
		t.Fatal(err)
	}
	if len(content) != longest*24 {
		t.Fatalf("%d bytes of goldens, want %d", len(content), longest*24)
	}
	values := make([]float32, 2*longest)
	state := uint64(1)
	for i := range values {
		state = state*6364136223846793005 + 1442695040888963407
		values[i] = float32(int32(state>>32)) * 0x1p-31
	}
	row, grid := make([]float32, longest), make([]float64, longest)
	for n := 1; n <= longest; n++ {
		row, grid := row[:n], grid[:n]
		scale := float32(math.Ldexp(1, -(n % 23)))
		for i := range row {
			row[i] = float32(values[n*7919%longest+i]*scale) + float32(n%7-3)
		}
		want := content[(n-1)*24:]
		mean, sigma := Moments(row)
		if got, want := math.Float32bits(mean), binary.LittleEndian.Uint32(want); got != want {
			t.Errorf("n=%d: mean %#x, want %#x", n, got, want)
		}
		if got, want := math.Float32bits(sigma), binary.LittleEndian.Uint32(want[4:]); got != want {
			t.Errorf("n=%d: deviation %#x, want %#x", n, got, want)
		}
		bandwidth := math.Float64bits(Bandwidth(sigma, n))
		wantBandwidth := binary.LittleEndian.Uint64(want[8:])
		switch n {
		case 240, 982:
			// The C library's pow is off by 0.5006 and 0.5011 units here.
			if d := int64(bandwidth - wantBandwidth); d != 1 && d != -1 {
				t.Errorf("n=%d: bandwidth %#x, want a neighbour of %#x", n, bandwidth, wantBandwidth)
			}
		default:
			if bandwidth != wantBandwidth {
				t.Errorf("n=%d: bandwidth %#x, want %#x", n, bandwidth, wantBandwidth)
			}
		}
		Grid(grid, slices.Min(row), slices.Max(row))
		digest := sha256.New()
		binary.Write(digest, binary.LittleEndian, grid)
		if !bytes.Equal(digest.Sum(nil)[:8], want[16:24]) {
			t.Errorf("n=%d: grid differs", n)
		}
	}
}
