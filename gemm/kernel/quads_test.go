package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

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

// TestReadQuads: quads hold every kept value once, at its output, by rising input, in no
// more quads than MaxQuads, whatever lengths gaps have, and are the same at every level.
func TestReadQuads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		k := rapid.IntRange(1, 300).Draw(rt, "k")
		p := randomSigns(t, r, k, rapid.SampledFrom([]float64{0, 0.001, 0.02, 0.3, 1}).Draw(rt, "density"), rapid.IntRange(-1, k-1).Draw(rt, "full row"))
		type value struct {
			input int
			sign  float32
		}
		var want [PanelWidth][]value
		for i := range p.StoredTiles() {
			p.Each(i, func(at, row, column int) {
				output := p.TileIndex(i)*tileRows + row
				want[output] = append(want[output], value{column, float32(int(p.Gaps[at]>>7)*2 - 1)})
			})
		}
		for _, w := range want { // positive values come first
			slices.SortStableFunc(w, func(a, b value) int { return int(b.sign - a.sign) })
		}
		var first Quads
		eachLevelNow(func(level Level) {
			var q Quads
			q.Read(p, 0, nil)
			if n := len(q.Places); n > MaxQuads(p.Kept(), true) {
				rt.Fatalf("%s: %d quads for %d values", level, n, p.Kept())
			}
			for output := range want {
				var got []value
				q.Each(output, func(input int, sign float32) { got = append(got, value{input, sign}) })
				if !slices.Equal(got, want[output]) {
					rt.Fatalf("%s: output %d has %v, want %v", level, output, got, want[output])
				}
			}
			if level == Portable {
				first = q
			} else if !slices.Equal(first.Places, q.Places) || !slices.Equal(first.Outputs, q.Outputs) {
				rt.Fatalf("%s kernels make other quads than portable ones", level)
			}
		})
	})
}

// eachLevelNow calls f at every level that the machine supports.
func eachLevelNow(f func(level Level)) {
	for _, level := range SupportedLevels() {
		before := UseLevel(level)
		f(level)
		UseLevel(before)
	}
}

// TestStrips: strips, products with quads and stored sums are the same at every level,
// for any number of rows and inputs, and nothing outside of the rows is read or written.
func TestStrips(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	nan := float32(math.NaN())
	for _, lanes := range []int{8, maxLanes} {
		for _, k := range []int{1, 7, 8, 9, 64, 391} {
			for rows := 1; rows <= lanes; rows++ {
				stride := k + r.IntN(3)
				data := make([]float32, rows*stride)
				for i := range data {
					data[i] = nan
				}
				a := View{Data: data, Rows: rows, Cols: k, Stride: stride}
				for i := range rows {
					for j := range a.Row(i) {
						a.Row(i)[j] = float32(r.NormFloat64())
					}
				}
				a.Data = a.Data[: (rows-1)*stride+k : (rows-1)*stride+k]
				p := randomSigns(t, r, k, 0.05, -1)
				var q, values Quads
				q.Read(p, 0, nil)
				values = Quads{Places: q.Places, Outputs: q.Outputs, Values: make([][quadValues]float32, len(q.Places)), Begun: q.Begun}
				for i := range values.Values {
					for j := range values.Values[i] {
						values.Values[i][j] = float32(r.NormFloat64())
					}
				}
				var scales, bias PanelRow
				for i := range scales {
					scales[i], bias[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
				}
				var want []float32
				eachLevelNow(func(level Level) {
					if lanes == maxLanes && level == AVX2 {
						return // it has strips of 8 rows only
					}
					s := Strip{Lanes: lanes, Lines: make([]float32, StripLines(k)*lanes)}
					LoadStrip(s, a)
					got := slices.Clone(s.Lines)
					for _, q := range []*Quads{&q, &values} {
						if q == &values && q.Begun < Sums {
							continue // the quads are those of signs: without both tiles, some sums have none
						}
						sums := make([]float32, Sums*lanes)
						for i := range sums {
							sums[i] = nan
						}
						SumQuads(sums, s, q)
						dst := View{Data: make([]float32, rows*(PanelWidth+1)), Rows: rows, Cols: PanelWidth, Stride: PanelWidth + 1}
						StoreSums(dst, sums, lanes, &scales, &bias, q.Values == nil)
						got = append(append(got, sums...), dst.Data...)
					}
					if want == nil {
						want = got
					} else if !slices.Equal(got, want) {
						t.Fatalf("%d lanes, %d rows, k=%d: %s kernels give other bits than portable ones", lanes, rows, k, level)
					}
				})
			}
		}
	}
}

// TestMaxStripInputs: a place can name the last line of the largest strip.
func TestMaxStripInputs(t *testing.T) {
	if last := StripLines(MaxStripInputs) - 1; last > math.MaxUint16 {
		t.Errorf("the last line is %d", last)
	}
}

func BenchmarkReadQuads(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, k := range []int{384, 1536} {
		t := randomSigns(b, r, k, 0.02, -1)
		var q Quads
		b.Run(fmt.Sprintf("%s/k=%d", sparse.Sign, k), func(b *testing.B) {
			for b.Loop() {
				q.Read(t, 0, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*t.Kept()), "ns/value")
		})
	}
}
