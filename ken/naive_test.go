package ken

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"kenserve/kde"
)

// naiveKEN is the portable reference of KEN, as the package comment defines it, in
// O(k·n): it sums the density of every point directly and compares every point with
// every value.
func naiveKEN(row []float32, k int) []uint64 {
	n := len(row)
	mask := make([]uint64, maskWords(n))
	_, sigma := kde.Moments(row)
	if k >= n || sigma == 0 {
		for j := range row {
			setBit(mask, j)
		}
		return mask
	}

	sorted := slices.Clone(row)
	slices.Sort(sorted)
	points := make([]float64, k)
	kde.Grid(points, sorted[0], sorted[n-1])
	h := kde.Bandwidth(sigma, n)
	levels := make([]float64, k)
	for i, t := range points {
		if level := math.RoundToEven(kde.Density(sorted, h, t) / kde.LevelUnit(h)); level > 0 { // not NaN
			levels[i] = level
		}
	}
	order := make([]int, k)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(levels[b]) - int(levels[a]) })

	taken := make([]bool, n)
	for _, i := range order {
		nearest, smallest := -1, float32(0)
		for j, v := range row {
			distance := absolute(v - float32(points[i]))
			if !taken[j] && (nearest < 0 || distance < smallest) {
				nearest, smallest = j, distance
			}
		}
		taken[nearest] = true
	}
	for j, v := range row {
		for i, w := range row {
			if taken[i] && v == w {
				setBit(mask, j)
				break
			}
		}
	}
	return mask
}

// A rowKind draws random rows of one kind.
type rowKind struct {
	name string
	n    func(r *rand.Rand) int // width of the next row
	draw func(r *rand.Rand, row []float32)
	rows int // how many to test
}

// between draws widths from low to high, uniformly on a logarithmic scale.
func between(low, high int) func(*rand.Rand) int {
	return func(r *rand.Rand) int {
		return int(math.Round(float64(low) * math.Pow(float64(high)/float64(low), r.Float64())))
	}
}

// each draws every value independently.
func each(draw func(r *rand.Rand) float64) func(*rand.Rand, []float32) {
	return func(r *rand.Rand, row []float32) {
		for j := range row {
			row[j] = float32(draw(r))
		}
	}
}

var rowKinds = []rowKind{
	{"normal", between(9, 100), each(func(r *rand.Rand) float64 { return 0.04 * r.NormFloat64() }), 20_000},
	{"uniform", between(9, 100), each(func(r *rand.Rand) float64 { return 0.1*r.Float64() - 0.05 }), 10_000},
	{"exponential", between(9, 100), each(func(r *rand.Rand) float64 { return 0.1 * r.ExpFloat64() }), 10_000},
	{"heavy tails", between(9, 100), each(func(r *rand.Rand) float64 { return 0.01 * r.NormFloat64() / r.Float64() }), 10_000},
	{"rounded", between(9, 100), each(func(r *rand.Rand) float64 { return math.Round(16*r.NormFloat64()) / 256 }), 10_000},
	{"bimodal", between(9, 100), func(r *rand.Rand, row []float32) {
		gap, share := 0.1*r.Float64(), r.Float64()
		for j := range row {
			v := 0.01 * r.NormFloat64()
			if r.Float64() < share {
				v += gap
			}
			row[j] = float32(v)
		}
	}, 10_000},
	{"sparse", between(9, 100), func(r *rand.Rand, row []float32) {
		share := r.Float64()
		for j := range row {
			row[j] = float32(math.Copysign(0, float64(r.IntN(2))-0.5))
			if r.Float64() < share {
				row[j] = float32(0.05 * r.NormFloat64())
			}
		}
	}, 8_000},
	{"nearly constant", between(9, 100), func(r *rand.Rand, row []float32) {
		centre, deviation := 4*r.Float64()-2, math.Pow(10, -8+4*r.Float64())
		for j := range row {
			row[j] = float32(centre + deviation*r.NormFloat64())
		}
	}, 5_000},
	{"constant but for one", between(9, 100), func(r *rand.Rand, row []float32) {
		common := float32(r.NormFloat64())
		for j := range row {
			row[j] = common
		}
		row[r.IntN(len(row))] *= 1 + float32(r.IntN(3))*0x1p-20
	}, 1_000},
	{"subnormal", between(9, 100), each(func(r *rand.Rand) float64 { return math.Pow(10, -46+26*r.Float64()) * r.NormFloat64() }), 2_000},
	{"any magnitude", between(9, 100), func(r *rand.Rand, row []float32) {
		for j := range row {
			for row[j] = float32(math.NaN()); !finite(row[j]); {
				row[j] = math.Float32frombits(r.Uint32())
			}
		}
	}, 2_000},
	{"equally near", between(9, 100), func(r *rand.Rand, row []float32) {
		// The distances of the small values from a far point round to one number.
		for j := range row {
			row[j] = float32(1e-9 * r.NormFloat64())
			if r.IntN(8) == 0 {
				row[j] = float32(r.IntN(5) - 2)
			}
		}
	}, 2_000},
	{"tiny", func(r *rand.Rand) int { return 1 + r.IntN(8) }, func(r *rand.Rand, row []float32) {
		for j := range row {
			row[j] = float32(r.IntN(9)-4) / 8
			if r.IntN(2) == 0 {
				row[j] = float32(r.NormFloat64())
			}
		}
	}, 8_000},
	{"width 384", between(384, 384), each(func(r *rand.Rand) float64 { return 0.05 * r.NormFloat64() }), 1_500},
	{"width 768", between(768, 768), each(func(r *rand.Rand) float64 { return 0.04*r.NormFloat64() + 0.002*r.ExpFloat64() }), 470},
	{"width 3072", between(3072, 3072), each(func(r *rand.Rand) float64 { return 0.04 * r.NormFloat64() }), 30},
}

// pickK draws k. Small values, half of n, and values near n, among them 1, n-1 and n,
// are more frequent than in a uniform draw.
func pickK(r *rand.Rand, n int) int {
	switch r.IntN(8) {
	case 0:
		return 1 + r.IntN(min(n, 3))
	case 1:
		return max(1, n-r.IntN(3))
	case 2:
		return max(1, n/2)
	}
	return 1 + r.IntN(n)
}

// TestNaive compares with naiveKEN on 100,000 random rows.
func TestNaive(t *testing.T) {
	total := 0
	for _, f := range rowKinds {
		total += f.rows
	}
	if total != 100_000 {
		t.Fatalf("%d rows, want 100000", total)
	}
	for i, f := range rowKinds {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(2024, uint64(i)))
			selector := newSelector(t, KEN)
			rows := f.rows
			if raceEnabled || testing.Short() {
				rows = (rows + 19) / 20
			}
			for range rows {
				row := make([]float32, f.n(r))
				f.draw(r, row)
				k := pickK(r, len(row))
				mask := make([]uint64, maskWords(len(row)))
				if err := selector.choose(mask, rowPair{tuned: row}, k); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(mask, naiveKEN(row, k)) {
					t.Fatalf("n=%d k=%d: mask differs for row\n%v", len(row), k, row)
				}
			}
		})
	}
}

// FuzzSelect compares with naiveKEN. The first byte of the input is the fraction to
// keep, the others are the float32s of the row.
func FuzzSelect(f *testing.F) {
	seed := func(share byte, row ...float32) {
		data := []byte{share}
		for _, v := range row {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		f.Add(data)
	}
	seed(128, 1, 2, 3, 4, 5, 6, 7)
	seed(60, 0, float32(math.Copysign(0, -1)), 1, 1, 1, -1, 1e-45)
	seed(200, 3e38, -3e38, 1e30, 2, 2)
	seed(10, 1, 2, float32(math.NaN()))
	seed(255, float32(math.Inf(-1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 5 || len(data) > 1+4*512 {
			return
		}
		row := make([]float32, (len(data)-1)/4)
		for j := range row {
			row[j] = math.Float32frombits(binary.LittleEndian.Uint32(data[1+4*j:]))
		}
		k := int(data[0]) * (len(row) + 1) / 255
		mask := make([]uint64, maskWords(len(row)))
		err := newSelector(t, KEN).choose(mask, rowPair{tuned: row}, k)
		if j := slices.IndexFunc(row, func(v float32) bool { return !finite(v) }); j >= 0 {
			var value *valueError
			if !errors.As(err, &value) || value.column != j {
				t.Fatalf("error is %v, want one for column %d", err, j)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := make([]uint64, len(mask))
		if k > 0 {
			want = naiveKEN(row, k)
		}
		if !slices.Equal(mask, want) {
			t.Fatalf("n=%d k=%d: mask differs for row\n%v", len(row), k, row)
		}
	})
}

func newSelector(t testing.TB, selection Selection) *rowSelector {
	t.Helper()
	selector, err := newRowSelector(selection, 1)
	if err != nil {
		t.Fatal(err)
	}
	return selector
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }

func countBits(mask []uint64) int {
	count := 0
	for _, word := range mask {
		count += bits.OnesCount64(word)
	}
	return count
}

func columns(mask []uint64) []int {
	set := []int{}
	for j := range 64 * len(mask) {
		if mask[j/64]>>(j%64)&1 != 0 {
			set = append(set, j)
		}
	}
	return set
}
