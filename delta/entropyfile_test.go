package delta

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kenserve/safetensors"
)

// TestEntropyOfFiles compares what the small layout takes of real deltas with
// the entropy of their positions and of their exact values, and times decoding.
// It needs the folder of their base in KENSERVE_BASE, and the deltas' files in
// the fast layout, separated by commas, in KENSERVE_DELTAS.
//
// The bound of positions is the entropy of as many kept values as there are,
// each by itself, in the rows that keep any; that of values is order-0, as in
// TestEntropy.
func TestEntropyOfFiles(t *testing.T) {
	dir, files := os.Getenv("KENSERVE_BASE"), os.Getenv("KENSERVE_DELTAS")
	if dir == "" || files == "" {
		t.Skip("KENSERVE_BASE and KENSERVE_DELTAS do not name a base and deltas")
	}
	base, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	fingerprint := Fingerprint(base)
	for _, file := range strings.Split(files, ",") {
		d, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Check(base, fingerprint); err != nil {
			t.Fatal(err)
		}
		var kept, positions, values, positionsBound, valuesBound, made float64
		var p packer
		var all [][]byte
		var bases []*safetensors.Tensor
		for i := range d.Tensors {
			m := d.Tensors[i].Masked
			if m == nil || m.Whole() {
				continue
			}
			b, _ := base.Tensor(d.Tensors[i].Name)
			alike := packer{codes: slices.Clone(p.codes)}
			packed := p.tensor(m, b)
			rows, _ := b.Rows()
			_, where := alike.positions(nil, m, rows)
			own := len(alike.values(nil, m, b))
			all, bases = append(all, packed), append(bases, b)
			switch m.Coding {
			case Float32:
				weights := floats(b)
				var numbers []uint32
				for tile := range m.StoredTiles() {
					for _, p := range keptPositions(m, tile, nil) {
						at := m.TileIndex(tile)*m.Height*m.Columns + int(p)
						numbers = append(numbers, zigzag(ordered(math.Float32bits(m.Float32s[len(numbers)]))-ordered(math.Float32bits(weights[at]))))
					}
				}
				valuesBound += valueBound(numbers)
			case Int8:
				valuesBound += entropy(safetensors.Bytes(m.Int8s))
			case Sign:
				if m.Gaps != nil { // their stream is among the positions
					own = (m.Kept() + 7) / 8
				}
				valuesBound += float64(m.Kept()) / 8
			default:
				t.Fatalf("%s: there is no bound for values of %s", file, m.Coding)
			}
			values += float64(own)
			positions += float64(1 + len(where))
			if m.Coding == Sign && m.Gaps != nil {
				positions -= float64(own)
			}
			used := map[int]bool{}
			m.Keeps(func(row, _ int) { used[row] = true })
			positionsBound += positionBound(len(used)*m.Columns, m.Kept())
			kept += float64(m.Kept())
			made += float64(partBytes(m))
		}
		var dec decoder
		seconds := math.Inf(1)
		for range 6 { // at first its buffers are made
			dec.codes = 0
			start := time.Now()
			for i, packed := range all {
				if _, err := dec.unpack(packed, bases[i]); err != nil {
					t.Fatal(err)
				}
			}
			seconds = min(seconds, time.Since(start).Seconds())
		}
		t.Logf("%s (%s, %s): %.0f values; positions %.3f bits a value, %+.1f%% of the bound; values %.3f bits, %+.1f%%; decoded at %.0f MB/s of output",
			file, d.Selection, d.Coding, kept, 8*positions/kept, 100*(positions/positionsBound-1), 8*values/kept, 100*(values/valuesBound-1), made/seconds/1e6)
		if positions > 1.03*positionsBound {
			t.Errorf("%s: positions take %.0f bytes, the bound is %.0f", file, positions, positionsBound)
		}
		// A tensor's few values may be coded alone: the code's lengths take room.
		if values > 1.05*valuesBound+64*float64(len(all)) {
			t.Errorf("%s: values take %.0f bytes, the bound is %.0f", file, values, valuesBound)
		}
	}
}
