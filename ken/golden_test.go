package ken

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"slices"
	"testing"
)

// A goldenRow is a row with the mask that the published implementation of KEN
// chose for it; testdata/pack_rows.py describes the file.
type goldenRow struct {
	N      int    `json:"n"`
	K      int    `json:"k"`
	Source string `json:"source"`

	values []float32
	mask   []uint64
}

func goldenRows(t testing.TB) []goldenRow {
	t.Helper()
	file, err := os.Open("testdata/rows.bin.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(compressed)
	if err != nil {
		t.Fatal(err)
	}

	size := binary.LittleEndian.Uint32(content)
	content = content[4:]
	var rows []goldenRow
	if err := json.Unmarshal(content[:size], &rows); err != nil {
		t.Fatal(err)
	}
	content = content[size:]
	total := 0
	for i := range rows {
		r := &rows[i]
		r.mask = make([]uint64, maskWords(r.N))
		for j, b := range content[:(r.N+7)/8] {
			r.mask[j/8] |= uint64(b) << (j % 8 * 8)
		}
		content = content[(r.N+7)/8:]
		total += r.N
	}
	if len(content) != 4*total {
		t.Fatalf("%d bytes of values for %d values", len(content), total)
	}
	next := 0
	for i := range rows {
		r := &rows[i]
		r.values = make([]float32, r.N)
		for j := range r.values {
			r.values[j] = math.Float32frombits(uint32(content[next]) | uint32(content[total+next])<<8 |
				uint32(content[2*total+next])<<16 | uint32(content[3*total+next])<<24)
			next++
		}
	}
	return rows
}

// TestGoldenRows compares with all golden masks of the published implementation.
func TestGoldenRows(t *testing.T) {
	rows := goldenRows(t)
	if len(rows) != 1600 {
		t.Fatalf("%d golden rows, want 1600", len(rows))
	}
	selector, err := newRowSelector(KEN, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		mask := make([]uint64, maskWords(r.N))
		if err := selector.choose(mask, rowPair{tuned: r.values}, r.K); err != nil {
			t.Errorf("row %d: %v", i, err)
		} else if !slices.Equal(mask, r.mask) {
			t.Errorf("row %d (n=%d k=%d, %s): mask differs", i, r.N, r.K, r.Source)
		}
	}
}
