package gemm

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// change is one kept value of a dense patch.
type change struct {
	kept bool
	f32  float32
	i8   int8
	plus bool
}

// tileOrder writes a dense [n,k] patch in tile order. Tiles without a kept
// value are left out unless keepEmpty says so.
func tileOrder(coding string, n, k int, dense []change, scales []float32, keepEmpty func(tile int) bool) *Patch {
	p := &Patch{}
	var signs []byte
	count := 0
	for t := range (n + tileRows - 1) / tileRows {
		masks := make([]uint16, k)
		var f32s []float32
		var i8s []int8
		first := count
		for c := range k {
			for r := range min(tileRows, n-t*tileRows) {
				d := dense[(t*tileRows+r)*k+c]
				if !d.kept {
					continue
				}
				masks[c] |= 1 << r
				f32s, i8s = append(f32s, d.f32), append(i8s, d.i8)
				if count%8 == 0 {
					signs = append(signs, 0)
				}
				if d.plus {
					signs[count/8] |= 1 << (count % 8)
				}
				count++
			}
		}
		if count == first && !keepEmpty(t) {
			continue
		}
		p.Tiles, p.Ends, p.Masks = append(p.Tiles, uint32(t)), append(p.Ends, uint32(count)), append(p.Masks, masks...)
		switch coding {
		case "float32":
			p.Float32s = append(p.Float32s, f32s...)
		case "int8":
			p.Int8s = append(p.Int8s, i8s...)
		}
		if coding != "float32" {
			s := make([]float32, tileRows)
			copy(s, scales[t*tileRows:])
			p.Scales = append(p.Scales, s...)
		}
	}
	if coding == "sign" {
		p.Signs = signs
	}
	return p
}

// denseWeight is what weight i becomes, by definition.
func denseWeight(coding string, base float32, d change, scale float32) float32 {
	switch {
	case !d.kept:
		return base
	case coding == "float32":
		return d.f32
	case coding == "int8":
		step := scale * float32(d.i8)
		return base + step
	case d.plus:
		return base + scale
	default:
		return base - scale
	}
}

func TestPatchedAgainstDense(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, coding := range []string{"float32", "int8", "sign"} {
		for _, s := range []struct{ n, k int }{{1, 1}, {3, 40}, {16, 16}, {17, 5}, {32, 33}, {50, 64}, {100, 7}, {384, 384}} {
			for _, density := range []float64{0, 0.001, 0.02, 0.3, 0.5, 1} {
				w := random(r, s.n*s.k)
				m := packRows(s.n, s.k, w)
				before := append([]line(nil), m.panels...)
				scales := random(r, s.n)
				dense := make([]change, s.n*s.k)
				for i := range dense {
					dense[i] = change{r.Float64() < density, float32(r.NormFloat64()), int8(r.IntN(256) - 128), r.IntN(2) == 0}
				}
				p := tileOrder(coding, s.n, s.k, dense, scales, func(int) bool { return r.IntN(2) == 0 })
				got, err := m.Patched(p)
				if err != nil {
					t.Fatalf("%s, %v, density %v: %v", coding, s, density, err)
				}
				if p := unsafe.SliceData(got.panels); uintptr(unsafe.Pointer(p))%64 != 0 {
					t.Fatalf("%s, %v, density %v: panels start at %p", coding, s, density, p)
				}
				want := packRows(s.n, s.k, w)
				for i, d := range dense {
					n, k := i/s.k, i%s.k
					want.panel(n / 32)[k][n%32] = denseWeight(coding, w[i], d, scales[n])
				}
				for i := range want.panels {
					for j := range panelWidth {
						if math.Float32bits(got.panels[i][j]) != math.Float32bits(want.panels[i][j]) {
							t.Fatalf("%s, %v, density %v: line %d, column %d is %v, want %v", coding, s, density, i, j, got.panels[i][j], want.panels[i][j])
						}
						if math.Float32bits(m.panels[i][j]) != math.Float32bits(before[i][j]) {
							t.Fatalf("%s, %v, density %v: the base changed", coding, s, density)
						}
					}
				}
			}
		}
	}
}

func TestPatchedKeepsBits(t *testing.T) {
	values := []float32{float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.MaxFloat32, 1}
	m := packRows(1, 4, []float32{1, 2, 3, 4})
	p := &Patch{Tiles: []uint32{0}, Ends: []uint32{4}, Masks: []uint16{1, 1, 1, 1}, Float32s: values}
	got, err := m.Patched(p)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float32, 4)
	got.Row(0, row)
	for i := range row {
		if math.Float32bits(row[i]) != math.Float32bits(values[i]) {
			t.Errorf("value %d has bits %x, want %x", i, math.Float32bits(row[i]), math.Float32bits(values[i]))
		}
	}
}

func TestPatchedRefuses(t *testing.T) {
	m := packRows(20, 2, make([]float32, 40))
	valid := func() *Patch {
		return &Patch{Tiles: []uint32{0, 1}, Ends: []uint32{1, 3}, Masks: []uint16{1, 0, 2, 8}, Int8s: []int8{1, 2, 3}, Scales: make([]float32, 32)}
	}
	if _, err := m.Patched(valid()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(p *Patch)
		want  string
	}{
		{"missing end", func(p *Patch) { p.Ends = p.Ends[:1] }, "2 tiles with 1 ends"},
		{"missing mask", func(p *Patch) { p.Masks = p.Masks[:3] }, "3 masks"},
		{"tile beyond the matrix", func(p *Patch) { p.Tiles[1] = 2 }, "tile 2 of a matrix with 2"},
		{"huge tile", func(p *Patch) { p.Tiles[1] = math.MaxUint32 }, "tile 4294967295"},
		{"tile twice", func(p *Patch) { p.Tiles[1] = 0 }, "tile 0 after tile 0"},
		{"tiles falling", func(p *Patch) { p.Tiles[0], p.Tiles[1] = 1, 0 }, "tile 0 after tile 1"},
		{"mask beyond the matrix", func(p *Patch) { p.Masks[3] = 16 }, "20 outputs"},
		{"end too high", func(p *Patch) { p.Ends[1] = 4 }, "values end at 4, masks at 3"},
		{"end too low", func(p *Patch) { p.Ends[0] = 0 }, "values end at 0, masks at 1"},
		{"too few int8 values", func(p *Patch) { p.Int8s = p.Int8s[:2] }, "2 of 3 int8 values"},
		{"too few float32 values", func(p *Patch) { p.Int8s, p.Float32s = nil, make([]float32, 2) }, "2 of 3 float32 values"},
		{"too few signs", func(p *Patch) { p.Int8s, p.Signs = nil, []byte{} }, "0 bytes of 3 signs"},
		{"too few scales", func(p *Patch) { p.Scales = p.Scales[:31] }, "31 scales"},
		{"two codings", func(p *Patch) { p.Float32s = make([]float32, 3) }, "2 value codings"},
		{"no coding", func(p *Patch) { p.Int8s = nil }, "0 value codings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := valid()
			c.spoil(p)
			_, err := m.Patched(p)
			if !errors.Is(err, ErrPatch) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// Whatever the slices hold, Patched answers or refuses, and never panics.
func TestPatchedSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(0, 40).Draw(t, "n"), rapid.IntRange(0, 4).Draw(t, "k")
		m := packRows(n, k, make([]float32, n*k))
		p := &Patch{
			Tiles: rapid.SliceOfN(rapid.Uint32Range(0, 3), 0, 3).Draw(t, "tiles"),
			Ends:  rapid.SliceOfN(rapid.Uint32Range(0, 9), 0, 3).Draw(t, "ends"),
			Masks: rapid.SliceOfN(rapid.Uint16Range(0, 7), 0, 12).Draw(t, "masks"),
		}
		if rapid.Bool().Draw(t, "float32") {
			p.Float32s = rapid.SliceOfN(rapid.Float32(), 0, 9).Draw(t, "values")
		} else {
			p.Signs = rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "signs")
			p.Scales = make([]float32, 16*rapid.IntRange(0, 3).Draw(t, "scales"))
		}
		_, err := m.Patched(p)
		if err != nil && !errors.Is(err, ErrPatch) {
			t.Fatal(err)
		}
	})
}

func BenchmarkPatched(b *testing.B) {
	r := rand.New(rand.NewPCG(31, 32))
	const n, k = 1536, 384
	m := packRows(n, k, random(r, n*k))
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(m.Bytes())
		for b.Loop() {
			copyPanels(m.panels)
		}
	})
	for _, coding := range []string{"float32", "int8", "sign"} {
		for _, density := range []float64{0.02, 0.25, 0.5} {
			dense := make([]change, n*k)
			for i := range dense {
				dense[i] = change{r.Float64() < density, 1, 1, r.IntN(2) == 0}
			}
			p := tileOrder(coding, n, k, dense, random(r, n), func(int) bool { return false })
			b.Run(fmt.Sprintf("%s/kept=%v", coding, density), func(b *testing.B) {
				b.SetBytes(m.Bytes())
				for b.Loop() {
					if _, err := m.Patched(p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
