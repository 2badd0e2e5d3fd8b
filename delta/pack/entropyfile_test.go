package pack

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
	"kenserve/safetensors"
)

// TestEntropyOfFiles compares the size of real deltas in the small layout with the
// entropy of their positions and values, and times decoding. KENSERVE_BASE must be
// the folder of their base, and KENSERVE_DELTAS their files in the fast layout,
// separated by commas.
//
// The bound of positions is their entropy if each value of the rows that keep any is
// kept independently; the bound of values is their order-0 entropy, as in
// TestEntropy.
func TestEntropyOfFiles(t *testing.T) {
	dir, files := os.Getenv("KENSERVE_BASE"), os.Getenv("KENSERVE_DELTAS")
	if dir == "" || files == "" {
		t.Skip("needs KENSERVE_BASE and KENSERVE_DELTAS")
	}
	base, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	fingerprint := delta.Fingerprint(base)
	for _, file := range strings.Split(files, ",") {
		d, err := delta.Open(file)
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
			case delta.Float32:
				weights := deltatest.Floats(b)
				var numbers []uint32
				for tile := range m.StoredTiles() {
					for _, p := range keptPositions(m, tile, nil) {
						at := m.TileIndex(tile)*m.Height*m.Columns + int(p)
						numbers = append(numbers, zigzag(ordered(math.Float32bits(m.Float32s[len(numbers)]))-ordered(math.Float32bits(weights[at]))))
					}
				}
				valuesBound += valueBound(numbers)
			case delta.Int8:
				valuesBound += entropy(safetensors.Bytes(m.Int8s))
			case delta.Sign:
				if m.Gaps != nil { // signs are among the positions
					own = (m.Kept() + 7) / 8
				}
				valuesBound += float64(m.Kept()) / 8
			default:
				t.Fatalf("%s: there is no bound for values of %s", file, m.Coding)
			}
			values += float64(own)
			positions += float64(1 + len(where))
			if m.Coding == delta.Sign && m.Gaps != nil {
				positions -= float64(own)
			}
			used := map[int]bool{}
			m.Keeps(func(row, _ int) { used[row] = true })
			positionsBound += positionBound(len(used)*m.Columns, m.Kept())
			kept += float64(m.Kept())
			made += float64(container.PartBytes(m))
		}
		var dec unpacker
		seconds := math.Inf(1)
		for range 6 { // the first time allocates the buffers
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
		// Each tensor has streams of its own, whose code-length tables take room.
		if values > 1.05*valuesBound+64*float64(len(all)) {
			t.Errorf("%s: values take %.0f bytes, the bound is %.0f", file, values, valuesBound)
		}
	}
}
