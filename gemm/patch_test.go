package gemm

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"kenserve/gemm/kernel/kerneltest"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
	"kenserve/nn"
)

// change is one weight of a dense patch.
type change struct {
	kept bool
	f32  float32
	bf16 uint16
	i8   int8 // in -127 … 127
	plus bool
}

// i4 is the change as int4, in -7 … 7.
func (c change) i4() int8 { return max(c.i8<<4>>4, -sparse.MaxInt4) }

// forms are the ways to hold positions.
var forms = []string{"masks", "gaps"}

// randomChanges returns a dense patch of the given density. A third of the tiles keep
// nothing, and half of the others have a long stretch that keeps nothing.
func randomChanges(r *rand.Rand, n, k int, density float64) []change {
	dense := make([]change, n*k)
	for t := 0; t*sparse.TileRows < n; t++ {
		from, to := 0, k
		switch r.IntN(3) {
		case 0:
			continue
		case 1:
			from = r.IntN(k + 1)
			to = from + r.IntN(k+1-from)
		}
		for i := t * sparse.TileRows; i < min((t+1)*sparse.TileRows, n); i++ {
			for j := range k {
				if j < from || j >= to {
					dense[i*k+j] = change{
						r.Float64() < density, float32(r.NormFloat64()), uint16(r.Uint32()) &^ 0x4000, int8(r.IntN(255) - 127), r.IntN(2) == 0,
					}
				}
			}
		}
	}
	return dense
}

// tileOrder returns a dense [n,k] patch as a checked tensor. There is one scale for the
// matrix, or one for each output. The slices of values end with the last value, so that
// a kernel that reads too far fails or spoils its result.
func tileOrder(t testing.TB, coding sparse.Coding, form string, n, k int, dense []change, scales []float32) *sparse.Tensor {
	p := &sparse.Tensor{Coding: coding, Height: sparse.TileRows, Columns: k, Tiles: []uint32{}}
	if form == "gaps" {
		p.Gaps = []byte{}
	} else {
		p.Mask16 = []uint16{}
	}
	count := 0
	for tile := range (n + sparse.TileRows - 1) / sparse.TileRows {
		masks := make([]uint16, k)
		var gaps []byte
		first, last := count, -1
		for c := range k {
			for r := range min(sparse.TileRows, n-tile*sparse.TileRows) {
				d := dense[(tile*sparse.TileRows+r)*k+c]
				if !d.kept {
					continue
				}
				masks[c] |= 1 << r
				gaps = coding.GapCode().Append(gaps, c*sparse.TileRows+r-last)
				last = c*sparse.TileRows + r
				sign := byte(0)
				if d.plus {
					sign = 1
				}
				switch coding {
				case sparse.Float32:
					p.Float32s = append(p.Float32s, d.f32)
				case sparse.BFloat16:
					p.BFloat16s = append(p.BFloat16s, d.bf16)
				case sparse.Int8:
					p.Int8s = append(p.Int8s, d.i8)
				case sparse.Int4:
					if count%2 == 0 {
						p.Int4s = append(p.Int4s, 0)
					}
					p.Int4s[count/2] |= byte(d.i4()) & 15 << (count % 2 * 4)
				default:
					if form == "gaps" {
						gaps[len(gaps)-1] |= sign << 7
						break
					}
					if count%8 == 0 {
						p.Signs = append(p.Signs, 0)
					}
					p.Signs[count/8] |= sign << (count % 8)
				}
				count++
			}
		}
		if count == first {
			continue
		}
		p.Tiles, p.Ends = append(p.Tiles, uint32(tile)), append(p.Ends, uint32(count))
		if form == "gaps" {
			p.Gaps = append(p.Gaps, gaps...)
			p.GapEnds = append(p.GapEnds, uint32(len(p.Gaps)))
		} else {
			p.Mask16 = append(p.Mask16, masks...)
		}
		if coding.Scaled() && len(scales) != 1 {
			s := make([]float32, sparse.TileRows)
			copy(s, scales[tile*sparse.TileRows:])
			p.Scales = append(p.Scales, s...)
		}
	}
	if coding.Scaled() && len(scales) == 1 {
		p.Scales = scales
	}
	p.Float32s, p.BFloat16s, p.Int8s = slices.Clip(p.Float32s), slices.Clip(p.BFloat16s), slices.Clip(p.Int8s)
	p.Int4s, p.Signs = slices.Clip(p.Int4s), slices.Clip(p.Signs)
	return checked(t, p, n, k)
}

// checked returns the tensor after its check for [n,k].
func checked(t testing.TB, p *sparse.Tensor, n, k int) *sparse.Tensor {
	t.Helper()
	if err := p.Check(n, k); err != nil {
		t.Fatal(err)
	}
	return p
}

// patched returns a matrix with a patch applied, in panels of its own.
func patched(m *Matrix, p *sparse.Tensor) (*Matrix, error) {
	over, err := m.Overlay(p)
	if err != nil {
		return nil, err
	}
	return over.Materialised(nil), nil
}

// denseWeight returns what a weight becomes, by definition.
func denseWeight(coding sparse.Coding, base float32, d change, scale float32) float32 {
	switch {
	case !d.kept:
		return base
	case coding == sparse.Float32:
		return d.f32
	case coding == sparse.BFloat16:
		return base + math.Float32frombits(uint32(d.bf16)<<16)
	case coding == sparse.Int8:
		step := scale * float32(d.i8)
		return base + step
	case coding == sparse.Int4:
		step := scale * float32(d.i4())
		return base + step
	case d.plus:
		return base + scale
	default:
		return base - scale
	}
}

// eachPatch calls f with patches of every coding and form of positions, for several shapes
// and densities.
func eachPatch(t *testing.T, f func(t *testing.T, r *rand.Rand, m *Matrix, p *sparse.Tensor, want []float32)) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, coding := range sparse.Codings {
		for _, form := range forms {
			t.Run(string(coding)+"/"+form, func(t *testing.T) {
				for _, s := range []struct{ n, k int }{{1, 1}, {3, 40}, {17, 5}, {32, 33}, {70, 391}, {96, 384}} {
					for _, density := range []float64{0, 0.01, 0.1, 0.5, 1} {
						w := kerneltest.Random(r, s.n*s.k)
						w[r.IntN(len(w))] = float32(math.Copysign(0, -1))
						scales := kerneltest.Random(r, s.n)
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
						p := tileOrder(t, coding, form, s.n, s.k, dense, scales)
						f(t, r, packRows(s.n, s.k, w), p, want)
						if t.Failed() {
							t.Fatalf("the matrix was %d×%d, the density %v, with %d scales", s.n, s.k, density, len(scales))
						}
					}
				}
			})
		}
	}
}

func TestMaterialisedAgainstDense(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	kerneltest.EachLevel(t, func(t *testing.T) {
		eachPatch(t, func(t *testing.T, _ *rand.Rand, m *Matrix, p *sparse.Tensor, want []float32) {
			before := append([]panelRow(nil), m.panels...)
			got, err := patched(m, p)
			if err != nil {
				t.Fatal(err)
			}
			if p := unsafe.SliceData(got.panels); uintptr(unsafe.Pointer(p))%64 != 0 {
				t.Fatalf("panels start at %p, not at a multiple of 64", p)
			}
			wanted := packRows(m.n, m.k, want)
			over, err := m.Overlay(p)
			if err != nil {
				t.Fatal(err)
			}
			if shared := over.Materialised(pool); !slices.Equal(shared.panels, got.panels) {
				t.Error("panels materialised on a pool differ")
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
						t.Errorf("row %d, column %d is %v, want %v", i, j, got.panels[i][j], wanted.panels[i][j])
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

// An overlay's products have the same bits as those of the patched matrix, for any number
// of rows and workers.
func TestOverlayMultipliesAsMaterialised(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		pools := []*parallel.Pool{nil, parallel.NewPool(1), parallel.NewPool(3)}
		defer func() {
			for _, p := range pools {
				p.Close()
			}
		}()
		eachPatch(t, func(t *testing.T, r *rand.Rand, m *Matrix, p *sparse.Tensor, _ []float32) {
			patched, err := patched(m, p)
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
			a := kerneltest.RandomView(r, rows, m.k, m.k+rows%5)
			e := Epilogue{Bias: kerneltest.Random(r, m.n), Activation: nn.ReLU}
			if r.IntN(2) == 0 {
				e.Residual = kerneltest.RandomView(r, rows, m.n, m.n+2)
			}
			want := kerneltest.RandomView(r, rows, m.n, m.n+rows%3)
			patched.Mul(nil, want, a, e)
			for i, pool := range pools {
				got := kerneltest.RandomView(r, rows, m.n, m.n+rows%3)
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

// The same for every number of rows up to 70, with one overlay of each form.
func TestOverlayOfAnyRows(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	pool := parallel.NewPool(2)
	defer pool.Close()
	const n, k = 90, 300
	m := packRows(n, k, kerneltest.Random(r, n*k))
	for _, form := range forms {
		p := tileOrder(t, sparse.Sign, form, n, k, randomChanges(r, n, k, 0.04), []float32{0.1})
		patched, err := patched(m, p)
		if err != nil {
			t.Fatal(err)
		}
		over, err := m.Overlay(p)
		if err != nil {
			t.Fatal(err)
		}
		for rows := range 71 {
			a := kerneltest.RandomView(r, rows, k, k)
			got, want := kerneltest.RandomView(r, rows, n, n), kerneltest.RandomView(r, rows, n, n)
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

// A matrix that is large enough to be materialised on a pool, for every compute type.
func TestMaterialisedOnAPool(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 28))
	pool := parallel.NewPool(3)
	defer pool.Close()
	const n, k = 320, 1024
	m := packRows(n, k, kerneltest.Random(r, n*k))
	row, want := make([]float32, k), make([]float32, k)
	for _, form := range forms {
		for _, compute := range []Compute{Float32, BFloat16, Int8} {
			over, err := m.Overlay(tileOrder(t, sparse.BFloat16, form, n, k, randomChanges(r, n, k, 0.05), nil))
			if err != nil {
				t.Fatal(err)
			}
			over = over.As(compute)
			got := over.Materialised(pool)
			if got.Materialised(pool) != got {
				t.Errorf("%s, %s: a materialised matrix was materialised again", form, compute)
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
	m := packRows(n, k, kerneltest.Random(r, n*k))
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, c := range []struct {
		coding  sparse.Coding
		form    string
		density float64
	}{{sparse.Int8, "masks", 0.1}, {sparse.Int8, "gaps", 0.1}, {sparse.Sign, "masks", 0.1}, {sparse.Sign, "gaps", 0.1}, {sparse.Sign, "gaps", 0.02}} {
		over, err := m.Overlay(tileOrder(t, c.coding, c.form, n, k, randomChanges(r, n, k, c.density), []float32{0.1}))
		if err != nil {
			t.Fatal(err)
		}
		if b := over.Bytes(); b > 1024 {
			t.Errorf("an overlay of %d bytes", b)
		}
		for _, rows := range []int{24, 100} {
			a, c := kerneltest.RandomView(r, rows, k, k), kerneltest.RandomView(r, rows, n, n)
			for _, p := range []*parallel.Pool{nil, pool} {
				if allocs := testing.AllocsPerRun(20, func() { over.Mul(p, c, a, Epilogue{}) }); allocs > 0 {
					t.Errorf("%v, %d rows, pool of %d: %v allocations", c, rows, p.Width(), allocs)
				}
			}
		}
	}
}

func TestMaterialisedKeepsBits(t *testing.T) {
	values := []float32{float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.MaxFloat32, 1}
	m := packRows(1, 4, []float32{1, 2, 3, 4})
	p := checked(t, &sparse.Tensor{Coding: sparse.Float32, Height: sparse.TileRows, Columns: 4, Tiles: []uint32{0}, Ends: []uint32{4}, Mask16: []uint16{1, 1, 1, 1}, Float32s: values}, 1, 4)
	got, err := patched(m, p)
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

func TestOverlayRefuses(t *testing.T) {
	m := packRows(20, 2, make([]float32, 40))
	patch := func() *sparse.Tensor {
		return &sparse.Tensor{
			Coding: sparse.Int8, Height: sparse.TileRows, Columns: 2,
			Tiles: []uint32{0, 1}, Ends: []uint32{1, 3}, Mask16: []uint16{1, 0, 2, 8}, Int8s: []int8{1, 2, 3}, Scales: make([]float32, 32),
		}
	}
	over, err := m.Overlay(checked(t, patch(), 20, 2))
	if err != nil {
		t.Fatal(err)
	}
	byRow := &sparse.Tensor{Coding: sparse.Sign, RowMajor: true, Height: sparse.TileRows, Tiles: []uint32{0}, Ends: []uint32{1}, Gaps: []byte{9}, GapEnds: []uint32{1}, Scales: []float32{1}}
	whole := &sparse.Tensor{Coding: sparse.Float32, RowMajor: true, Height: 1, Float32s: make([]float32, 40)}
	for _, c := range []struct {
		name  string
		m     *Matrix
		patch *sparse.Tensor
		want  string
	}{
		{"unchecked", m, patch(), "not checked for this shape"},
		{"checked for another matrix", m, checked(t, patch(), 24, 2), "not checked for this shape"},
		{"row-major", m, checked(t, byRow, 20, 2), "order of panels"},
		{"every value kept", m, checked(t, whole, 20, 2), "order of panels"},
		{"low-precision matrix", m.As(BFloat16), checked(t, patch(), 20, 2), "only float32 can be patched"},
		{"overlay of an overlay", over, checked(t, patch(), 20, 2), "patched already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.m.Overlay(c.patch); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// Whatever the slices of a tensor hold, its check refuses it or it can be applied.
func TestMaterialisedSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(1, 40).Draw(t, "n"), rapid.IntRange(1, 4).Draw(t, "k")
		p := &sparse.Tensor{
			Coding: rapid.SampledFrom(sparse.Codings[:]).Draw(t, "coding"), Height: sparse.TileRows, Columns: k,
			Tiles: rapid.SliceOfN(rapid.Uint32Range(0, 3), 0, 3).Draw(t, "tiles"),
			Ends:  rapid.SliceOfN(rapid.Uint32Range(0, 9), 0, 3).Draw(t, "ends"),
		}
		if rapid.Bool().Draw(t, "gaps") {
			p.Gaps = rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "gaps")
			p.GapEnds = rapid.SliceOfN(rapid.Uint32Range(0, 12), 0, 3).Draw(t, "gap ends")
		} else {
			p.Mask16 = rapid.SliceOfN(rapid.Uint16Range(0, 7), 0, 12).Draw(t, "masks")
		}
		switch p.Coding {
		case sparse.Float32:
			p.Float32s = rapid.SliceOfN(rapid.Float32(), 0, 9).Draw(t, "values")
		case sparse.BFloat16:
			p.BFloat16s = rapid.SliceOfN(rapid.Uint16(), 0, 9).Draw(t, "values")
		case sparse.Int8:
			p.Int8s = rapid.SliceOfN(rapid.Int8(), 0, 9).Draw(t, "values")
		case sparse.Int4:
			p.Int4s = rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "values")
		default:
			p.Signs = rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "values")
		}
		p.Scales = make([]float32, rapid.SampledFrom([]int{0, 1, 16, 32, 48}).Draw(t, "scales"))
		if p.Check(n, k) != nil {
			return
		}
		if _, err := patched(packRows(n, k, make([]float32, n*k)), p); err != nil {
			t.Fatal(err)
		}
	})
}
