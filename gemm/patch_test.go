package gemm

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"kenserve/internal/parallel"
)

// change is one kept value of a dense patch.
type change struct {
	kept bool
	f32  float32
	bf16 uint16
	i8   int8 // in -8 … 7 for int4
	plus bool
}

// codings are the ways to hold values, forms those to hold positions.
var (
	codings = []string{"float32", "bfloat16", "int8", "int4", "sign"}
	forms   = []string{"masks", "gaps"}
)

// randomChanges returns a dense patch of the given density. A tile in three has
// none at all, and some of the others have a long stretch without any.
func randomChanges(r *rand.Rand, n, k int, density float64) []change {
	dense := make([]change, n*k)
	for t := 0; t*tileRows < n; t++ {
		from, to := 0, k
		switch r.IntN(3) {
		case 0:
			continue
		case 1:
			from = r.IntN(k + 1)
			to = from + r.IntN(k+1-from)
		}
		for i := t * tileRows; i < min((t+1)*tileRows, n); i++ {
			for j := range k {
				if j < from || j >= to {
					dense[i*k+j] = change{
						r.Float64() < density, float32(r.NormFloat64()), uint16(r.Uint32()) &^ 0x4000, int8(r.IntN(256) - 128), r.IntN(2) == 0,
					}
				}
			}
		}
	}
	return dense
}

// appendGap adds the bytes of a gap, the last with a sign in its top bit or none.
func appendGap(gaps []byte, gap, skip int, sign byte) []byte {
	for ; gap >= skip; gap -= skip {
		gaps = append(gaps, byte(skip))
	}
	return append(gaps, byte(gap)|sign)
}

// tileOrder writes a dense [n,k] patch in tile order. Tiles without a value are
// left out unless keepEmpty says so. There is one scale for all, or one for each
// output. Values fill their slices to the end, and nothing is readable behind
// them that would not spoil a result.
func tileOrder(coding, form string, n, k int, dense []change, scales []float32, keepEmpty func(tile int) bool) *Patch {
	p := &Patch{}
	if form == "gaps" {
		p.Gaps = []byte{}
	}
	count := 0
	var f32s []float32
	var bf16s []uint16
	var i8s []int8
	int4s, signs := []byte{}, []byte{}
	for t := range (n + tileRows - 1) / tileRows {
		masks := make([]uint16, k)
		var gaps []byte
		first, last := count, -1
		for c := range k {
			for r := range min(tileRows, n-t*tileRows) {
				d := dense[(t*tileRows+r)*k+c]
				if !d.kept {
					continue
				}
				masks[c] |= 1 << r
				skip, sign := 255, byte(0)
				if coding == "sign" {
					skip = 127
					if d.plus {
						sign = 128
					}
				}
				gaps = appendGap(gaps, c*tileRows+r-last-1, skip, sign)
				last = c*tileRows + r
				f32s, bf16s, i8s = append(f32s, d.f32), append(bf16s, d.bf16), append(i8s, d.i8)
				if count%2 == 0 {
					int4s = append(int4s, 0)
				}
				int4s[count/2] |= byte(d.i8) & 15 << (count % 2 * 4)
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
		p.Tiles, p.Ends = append(p.Tiles, uint32(t)), append(p.Ends, uint32(count))
		if form == "gaps" {
			p.Gaps = append(p.Gaps, gaps...)
			p.GapEnds = append(p.GapEnds, uint32(len(p.Gaps)))
		} else {
			p.Masks = append(p.Masks, masks...)
		}
		if coding != "float32" && coding != "bfloat16" && len(scales) != 1 {
			s := make([]float32, tileRows)
			copy(s, scales[t*tileRows:])
			p.Scales = append(p.Scales, s...)
		}
	}
	switch coding {
	case "float32":
		p.Float32s = slices.Clip(append([]float32{}, f32s...))
	case "bfloat16":
		p.BFloat16s = slices.Clip(append([]uint16{}, bf16s...))
	case "int8":
		p.Int8s = slices.Clip(append([]int8{}, i8s...))
	case "int4":
		p.Int4s = slices.Clip(int4s)
	case "sign":
		if form != "gaps" {
			p.Signs = slices.Clip(signs)
		}
	}
	if len(scales) == 1 && coding != "float32" && coding != "bfloat16" {
		p.Scales = scales
	}
	return p
}

// denseWeight is what a weight becomes, by definition.
func denseWeight(coding string, base float32, d change, scale float32) float32 {
	switch {
	case !d.kept:
		return base
	case coding == "float32":
		return d.f32
	case coding == "bfloat16":
		return base + math.Float32frombits(uint32(d.bf16)<<16)
	case coding == "int8":
		step := scale * float32(d.i8)
		return base + step
	case coding == "int4":
		step := scale * float32(d.i8<<4>>4)
		return base + step
	case d.plus:
		return base + scale
	default:
		return base - scale
	}
}

// eachPatch calls f for patches of every coding and form, of some shapes and
// densities.
func eachPatch(t *testing.T, f func(t *testing.T, r *rand.Rand, m *Matrix, p *Patch, want []float32)) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, coding := range codings {
		for _, form := range forms {
			t.Run(coding+"/"+form, func(t *testing.T) {
				for _, s := range []struct{ n, k int }{{1, 1}, {3, 40}, {17, 5}, {32, 33}, {70, 391}, {96, 384}} {
					for _, density := range []float64{0, 0.01, 0.1, 0.5, 1} {
						w := random(r, s.n*s.k)
						w[r.IntN(len(w))] = float32(math.Copysign(0, -1))
						scales := random(r, s.n)
						for i := range scales {
							scales[i] = max(0, scales[i])
						}
						if r.IntN(2) == 0 {
							scales = scales[:1]
						}
						dense := randomChanges(r, s.n, s.k, density)
						want := append([]float32(nil), w...)
						for i, d := range dense {
							want[i] = denseWeight(coding, w[i], d, scales[i/s.k%len(scales)])
						}
						p := tileOrder(coding, form, s.n, s.k, dense, scales, func(int) bool { return r.IntN(2) == 0 })
						f(t, r, packRows(s.n, s.k, w), p, want)
						if t.Failed() {
							t.Fatalf("that was %d×%d, density %v, %d scales", s.n, s.k, density, len(scales))
						}
					}
				}
			})
		}
	}
}

func TestPatchedAgainstDense(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	eachLevel(t, func(t *testing.T) {
		eachPatch(t, func(t *testing.T, _ *rand.Rand, m *Matrix, p *Patch, want []float32) {
			before := append([]line(nil), m.panels...)
			got, err := m.Patched(p)
			if err != nil {
				t.Fatal(err)
			}
			if p := unsafe.SliceData(got.panels); uintptr(unsafe.Pointer(p))%64 != 0 {
				t.Fatalf("panels start at %p", p)
			}
			wanted := packRows(m.n, m.k, want)
			over, err := m.Overlay(p)
			if err != nil {
				t.Fatal(err)
			}
			if shared := over.Materialised(pool); !slices.Equal(shared.panels, got.panels) {
				t.Error("materialised on a pool, the panels differ")
			}
			row := make([]float32, m.k)
			for i := range m.n {
				over.Row(i, row)
				for j := range row {
					if math.Float32bits(row[j]) != math.Float32bits(want[i*m.k+j]) {
						t.Errorf("overlay: weight (%d,%d) is %v, want %v", i, j, row[j], want[i*m.k+j])
						return
					}
				}
			}
			for i := range wanted.panels {
				for j := range panelWidth {
					if math.Float32bits(got.panels[i][j]) != math.Float32bits(wanted.panels[i][j]) {
						t.Errorf("line %d, column %d is %v, want %v", i, j, got.panels[i][j], wanted.panels[i][j])
						return
					}
					if math.Float32bits(m.panels[i][j]) != math.Float32bits(before[i][j]) {
						t.Error("the base changed")
						return
					}
				}
			}
		})
	})
}

// An overlay's products have the bits of the materialised matrix's, for any
// number of rows and workers.
func TestOverlayMultipliesAsPatched(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		pools := []*parallel.Pool{nil, parallel.NewPool(1), parallel.NewPool(3)}
		defer func() {
			for _, p := range pools {
				p.Close()
			}
		}()
		eachPatch(t, func(t *testing.T, r *rand.Rand, m *Matrix, p *Patch, _ []float32) {
			patched, err := m.Patched(p)
			if err != nil {
				t.Fatal(err)
			}
			over, err := m.Overlay(p)
			if err != nil {
				t.Fatal(err)
			}
			rows := 1 + r.IntN(70)
			if r.IntN(4) == 0 {
				rows += 96 // several groups
			}
			a := randomView(r, rows, m.k, m.k+rows%5)
			e := Epilogue{Bias: random(r, m.n), Activation: ReLU}
			if r.IntN(2) == 0 {
				e.Residual = randomView(r, rows, m.n, m.n+2)
			}
			want := randomView(r, rows, m.n, m.n+rows%3)
			patched.Mul(nil, want, a, e)
			for i, pool := range pools {
				got := randomView(r, rows, m.n, m.n+rows%3)
				over.Mul(pool, got, a, e)
				for j := range rows {
					for l, x := range got.Row(j) {
						if math.Float32bits(x) != math.Float32bits(want.Row(j)[l]) {
							t.Errorf("%d rows, pool %d: element (%d,%d) is %v, want %v", rows, i, j, l, x, want.Row(j)[l])
							return
						}
					}
				}
			}
		})
	})
}

// Every number of rows, for one overlay of each form.
func TestOverlayOfAnyRows(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	pool := parallel.NewPool(2)
	defer pool.Close()
	const n, k = 90, 300
	m := packRows(n, k, random(r, n*k))
	for _, form := range forms {
		p := tileOrder("sign", form, n, k, randomChanges(r, n, k, 0.04), []float32{0.1}, func(int) bool { return false })
		patched, err := m.Patched(p)
		if err != nil {
			t.Fatal(err)
		}
		over, err := m.Overlay(p)
		if err != nil {
			t.Fatal(err)
		}
		for rows := range 71 {
			a := randomView(r, rows, k, k)
			got, want := randomView(r, rows, n, n), randomView(r, rows, n, n)
			patched.Mul(nil, want, a, Epilogue{})
			over.Mul(pool, got, a, Epilogue{})
			for i := range rows {
				if !slices.Equal(got.Row(i), want.Row(i)) {
					t.Fatalf("%s, %d rows: row %d differs", form, rows, i)
				}
			}
		}
	}
}

// Large enough that a pool shares the work, in every compute type.
func TestMaterialisedOnAPool(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 28))
	pool := parallel.NewPool(3)
	defer pool.Close()
	const n, k = 320, 1024
	m := packRows(n, k, random(r, n*k))
	row, want := make([]float32, k), make([]float32, k)
	for _, form := range forms {
		for _, compute := range []Compute{Float32, BFloat16, Int8} {
			over, err := m.Overlay(tileOrder("bfloat16", form, n, k, randomChanges(r, n, k, 0.05), nil, func(int) bool { return false }))
			if err != nil {
				t.Fatal(err)
			}
			over = over.As(compute)
			got := over.Materialised(pool)
			if got.Materialised(pool) != got {
				t.Errorf("%s, %s: materialised twice", form, compute)
			}
			for i := range n {
				got.Row(i, row)
				over.Row(i, want)
				if !slices.Equal(row, want) {
					t.Fatalf("%s, %s: row %d differs", form, compute, i)
				}
			}
		}
	}
}

func TestOverlayAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 26))
	const n, k = 384, 384
	m := packRows(n, k, random(r, n*k))
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, c := range []struct {
		coding, form string
		density      float64
	}{{"int8", "masks", 0.1}, {"int8", "gaps", 0.1}, {"sign", "masks", 0.1}, {"sign", "gaps", 0.1}, {"sign", "gaps", 0.02}} {
		over, err := m.Overlay(tileOrder(c.coding, c.form, n, k, randomChanges(r, n, k, c.density), []float32{0.1}, func(int) bool { return false }))
		if err != nil {
			t.Fatal(err)
		}
		if b := over.Bytes(); b > 1024 {
			t.Errorf("an overlay of %d bytes", b)
		}
		for _, rows := range []int{24, 100} {
			a, c := randomView(r, rows, k, k), randomView(r, rows, n, n)
			for _, p := range []*parallel.Pool{nil, pool} {
				if allocs := testing.AllocsPerRun(20, func() { over.Mul(p, c, a, Epilogue{}) }); allocs > 0 {
					t.Errorf("%v, %d rows, pool of %d: %v allocations", c, rows, p.Width(), allocs)
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
		{"mask beyond the matrix", func(p *Patch) { p.Masks[3] = 16 }, "4 outputs"},
		{"end too high", func(p *Patch) { p.Ends[1] = 4 }, "values end at 4, positions at 3"},
		{"end too low", func(p *Patch) { p.Ends[0] = 0 }, "values end at 0, positions at 1"},
		{"too few int8 values", func(p *Patch) { p.Int8s = p.Int8s[:2] }, "2 of 3 int8 values"},
		{"too few float32 values", func(p *Patch) { p.Int8s, p.Float32s = nil, make([]float32, 2) }, "2 of 3 float32 values"},
		{"too few signs", func(p *Patch) { p.Int8s, p.Signs = nil, []byte{} }, "0 of 1 bytes of signs"},
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

func TestPatchedRefusesGaps(t *testing.T) {
	m := packRows(20, 40, make([]float32, 800))
	valid := func() *Patch {
		return &Patch{Tiles: []uint32{0, 1}, Ends: []uint32{1, 3}, Gaps: []byte{9, 1, 15}, GapEnds: []uint32{1, 3}, Scales: []float32{1}}
	}
	if _, err := m.Patched(valid()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(p *Patch)
		want  string
	}{
		{"masks beside gaps", func(p *Patch) { p.Masks = make([]uint16, 80) }, "masks beside gaps"},
		{"missing end", func(p *Patch) { p.GapEnds = p.GapEnds[:1] }, "1 ends of gaps"},
		{"end beyond the gaps", func(p *Patch) { p.GapEnds[1] = 4 }, "gaps 1 to 4 of 3"},
		{"ends falling", func(p *Patch) { p.GapEnds[0] = 3; p.GapEnds[1] = 1; p.Ends[0] = 3 }, "invalid"},
		{"row beyond the matrix", func(p *Patch) { p.Gaps[2] = 18 }, "row 4 of 4"},
		{"input beyond the matrix", func(p *Patch) {
			p.Gaps = bytes.Repeat([]byte{126}, 6)
			p.GapEnds = []uint32{6, 6}
			p.Ends = []uint32{6, 6}
		}, "input 47 of 40"},
		{"skip at the end", func(p *Patch) { p.Gaps[2] = 127 }, "end in a skip"},
		{"skip with a sign", func(p *Patch) { p.Gaps[1] = 255 }, "a skip with a sign"},
		{"skip with a sign among others", func(p *Patch) {
			p.Gaps = bytes.Repeat([]byte{0}, 20)
			p.Gaps[5] = 255
			p.GapEnds = []uint32{20, 20}
		}, "a skip with a sign"},
		{"end too low", func(p *Patch) { p.Ends[1] = 2 }, "values end at 2, positions at 3"},
		{"too few int4 values", func(p *Patch) { p.Int4s = []byte{1} }, "1 of 2 bytes of int4"},
		{"too few bfloat16 values", func(p *Patch) { p.BFloat16s = []uint16{1} }, "1 of 3 bfloat16"},
		{"signs twice", func(p *Patch) { p.Signs = []byte{1} }, "2 value codings"},
		{"negative scale", func(p *Patch) { p.Scales[0] = -1 }, "scale 0 is -1"},
		{"infinite scale", func(p *Patch) { p.Scales[0] = float32(math.Inf(1)) }, "scale 0 is +Inf"},
		{"too many scales", func(p *Patch) { p.Scales = make([]float32, 2) }, "2 scales"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := valid()
			c.spoil(p)
			_, err := m.Overlay(p)
			if !errors.Is(err, ErrPatch) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	over, err := m.Overlay(valid())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := over.Overlay(valid()); !errors.Is(err, ErrPatch) {
		t.Errorf("an overlay of an overlay: error %v", err)
	}
}

// The scan of gaps agrees with a step by step one.
func TestCheckGapsCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		signed := rapid.Bool().Draw(t, "signed")
		gap := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 126, 127, 128, 254, 255}))
		gaps := rapid.SliceOfN(gap, 0, 40).Draw(t, "gaps")
		rows := rapid.SampledFrom([]int{16, 16, 15, 1}).Draw(t, "rows")
		k := rapid.IntRange(1, 200).Draw(t, "k")
		position, want, valid := -1, 0, true
		for i, b := range gaps {
			low, skip := int(b), b == 255
			if signed {
				low, skip = int(b&127), b&127 == 127
				valid = valid && b != 255
			}
			position += low
			if skip {
				valid = valid && i < len(gaps)-1
				continue
			}
			position++
			want++
			valid = valid && position%16 < rows && position/16 < k
		}
		got, err := checkGaps(gaps, signed, k, rows)
		if (err == nil) != valid || valid && got != want {
			t.Fatalf("%d values, error %v; want %d, valid %v", got, err, want, valid)
		}
	})
}

// Whatever the slices hold, Patched answers or refuses, and never panics.
func TestPatchedSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(0, 40).Draw(t, "n"), rapid.IntRange(0, 4).Draw(t, "k")
		m := packRows(n, k, make([]float32, n*k))
		p := &Patch{
			Tiles: rapid.SliceOfN(rapid.Uint32Range(0, 3), 0, 3).Draw(t, "tiles"),
			Ends:  rapid.SliceOfN(rapid.Uint32Range(0, 9), 0, 3).Draw(t, "ends"),
		}
		if rapid.Bool().Draw(t, "gaps") {
			p.Gaps = rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "gaps")
			p.GapEnds = rapid.SliceOfN(rapid.Uint32Range(0, 12), 0, 3).Draw(t, "gap ends")
		} else {
			p.Masks = rapid.SliceOfN(rapid.Uint16Range(0, 7), 0, 12).Draw(t, "masks")
		}
		switch rapid.IntRange(0, 4).Draw(t, "coding") {
		case 0:
			p.Float32s = rapid.SliceOfN(rapid.Float32(), 0, 9).Draw(t, "values")
		case 1:
			p.BFloat16s = rapid.SliceOfN(rapid.Uint16(), 0, 9).Draw(t, "values")
		case 2:
			p.Int8s = rapid.SliceOfN(rapid.Int8(), 0, 9).Draw(t, "values")
		case 3:
			p.Int4s = rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "values")
		default:
			p.Signs = rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "values")
		}
		p.Scales = make([]float32, rapid.SampledFrom([]int{0, 1, 16, 32, 48}).Draw(t, "scales"))
		_, err := m.Patched(p)
		if err != nil && !errors.Is(err, ErrPatch) {
			t.Fatal(err)
		}
	})
}
