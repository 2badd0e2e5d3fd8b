package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"

	"kenserve/internal/sparse"
)

// randomSigns returns a checked tensor of one panel, [2·tileRows, k], with its signs in
// gaps. Each weight changes with the given probability, and all of panel row full, unless
// it is negative. There is one scale for each output, or one for all.
func randomSigns(t testing.TB, r *rand.Rand, k int, density float64, full int) *sparse.Tensor {
	p := &sparse.Tensor{Coding: sparse.Sign, Height: tileRows, Columns: k, Tiles: []uint32{}, Gaps: []byte{}}
	kept := uint32(0)
	for tile := range uint32(2) {
		before, last := kept, -1
		for at := range tileRows * k {
			if r.Float64() >= density && at/tileRows != full {
				continue
			}
			p.Gaps = sparse.SignGaps.Append(p.Gaps, at-last)
			p.Gaps[len(p.Gaps)-1] |= byte(r.IntN(2)) << 7
			last = at
			kept++
		}
		if kept == before {
			continue
		}
		p.Tiles, p.Ends, p.GapEnds = append(p.Tiles, tile), append(p.Ends, kept), append(p.GapEnds, uint32(len(p.Gaps)))
		for range tileRows {
			p.Scales = append(p.Scales, max(0, float32(r.NormFloat64())))
		}
	}
	if len(p.Scales) == 0 || r.IntN(2) == 0 {
		p.Scales = []float32{0.1}
	}
	if err := p.Check(2*tileRows, k); err != nil {
		t.Fatal(err)
	}
	return p
}

func startTiles(p *sparse.Tensor) (tiles [2]TileCursor) {
	for i, tile := range p.Tiles {
		tiles[tile].Start(p, i)
	}
	return tiles
}

// Corrected rows have the bits of patched rows, and a product with corrections has the
// bits of the product with the patched panel, at every level and however many changes
// share half a row.
func TestCorrections(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(41, 42))
		for _, k := range []int{1, 3, 8, 40, 391, 1537} {
			for _, density := range []float64{0, 0.001, 0.02, 0.045} {
				full := -1
				if k > 100 {
					full = 5
				}
				p := randomSigns(t, r, k, density, full)
				tiles := startTiles(p)
				if !Correctable(&tiles, k) { // few rows, and by chance many changes
					continue
				}
				base, patched, corrected := randomRows(r, k), make([]PanelRow, k), make([]PanelRow, k)
				var c Corrections
				c.Make(&tiles, k, randomRows(r, CorrectionScratch(k)))
				c.applyPortable(corrected, base, 0)
				tiles = startTiles(p)
				patchRowsPortable(patched, base, &tiles)
				if !slices.Equal(corrected, patched) {
					t.Fatalf("%d rows, %g changed: the corrected rows differ from the patched ones", k, density)
				}
				for _, rows := range []int{1, 5, 13, 48} {
					a := random(r, rows*k)
					init := View{Data: random(r, PanelWidth), Rows: rows, Cols: PanelWidth}
					want := View{Data: make([]float32, rows*PanelWidth), Rows: rows, Cols: PanelWidth, Stride: PanelWidth}
					got := want
					got.Data = make([]float32, len(want.Data))
					SGEMM(want, init, a, k, patched, false, nil)
					SGEMMCorrected(got, init, a, k, base, &c, nil)
					if !slices.Equal(got.Data, want.Data) {
						t.Fatalf("%d rows, %g changed: the product of %d rows of A differs", k, density, rows)
					}
				}
			}
		}
	})
}
