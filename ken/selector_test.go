package ken

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ones(n int, v float32) []float32 {
	row := make([]float32, n)
	for j := range row {
		row[j] = v
	}
	return row
}

func upTo(n int) []int {
	all := make([]int, n)
	for j := range all {
		all[j] = j
	}
	return all
}

func TestSelect(t *testing.T) {
	zero := float32(math.Copysign(0, -1))
	for _, c := range []struct {
		name      string
		selection Selection
		tuned     []float32
		base      []float32
		k         int
		want      []int
	}{
		{"the ends of an even row", KEN, []float32{4, 2, 3, 0, 1}, nil, 2, []int{0, 3}},
		{"one point: the lowest value", KEN, []float32{4, 2, 3, 0, 1}, nil, 1, []int{3}},
		{"the middle: the lower column of two equally near values", KEN, []float32{0, 3, 1, 4}, nil, 3, []int{0, 1, 3}},
		{"duplicates are all kept", KEN, []float32{5, 1, 5, 1, 2, 5}, nil, 2, []int{0, 1, 2, 3, 5}},
		{"a duplicate takes a point of its own", KEN, []float32{0, 0, 0, 9, 10, 8}, nil, 4, []int{0, 1, 2, 4, 5}},
		{"both zeros are one value", KEN, []float32{zero, 1, 0, 2, zero}, nil, 1, []int{0, 2, 4}},
		{"k at the width", KEN, []float32{1, 2, 3}, nil, 3, []int{0, 1, 2}},
		{"k beyond the width", KEN, []float32{1, 2, 3}, nil, 100, []int{0, 1, 2}},
		{"k of 0", KEN, []float32{1, 2, 3}, nil, 0, []int{}},
		{"one weight", KEN, []float32{7}, nil, 1, []int{0}},
		{"no weight", KEN, nil, nil, 1, []int{}},
		{"deviation 0", KEN, []float32{2, 2, 2, 2}, nil, 1, []int{0, 1, 2, 3}},
		{"deviation 0 because squares underflow", KEN, []float32{1e-30, 2e-30, 3e-30}, nil, 1, []int{0, 1, 2}},
		{"constant, deviation above 0", KEN, ones(384, 0.1), nil, 5, upTo(384)},
		{"deviation overflows", KEN, []float32{3e38, 1, 2e38, -3e38}, nil, 2, []int{0, 3}},
		{"distances overflow", KEN, []float32{3.4e38, 3.3e38, -3.4e38, -3.3e38}, nil, 3, []int{0, 1, 2}},

		{"largest change", LargestChange, []float32{1, 2, 3, 4}, []float32{1.5, 2, 0, 4.1}, 2, []int{0, 2}},
		{"equal changes: the lower columns", LargestChange, []float32{1, 2, 3, 4}, []float32{0, 3, 2, 5}, 3, []int{0, 1, 2}},
		{"changes are rounded to float32", LargestChange, []float32{1, 1}, []float32{1e-9, 0}, 1, []int{0}},
		{"no change at all", LargestChange, []float32{1, 2}, []float32{1, 2}, 1, []int{0}},
		{"change that overflows", LargestChange, []float32{1, 3e38, 2}, []float32{0, -3e38, 0}, 1, []int{1}},

		{"largest weight", Magnitude, []float32{1, -5, 3, 4}, nil, 2, []int{1, 3}},
		{"equal weights: the lower columns", Magnitude, []float32{1, -1, 1, -1}, nil, 3, []int{0, 1, 2}},
		{"subnormal weights", Magnitude, []float32{0, 3e-45, zero, -1e-40}, nil, 2, []int{1, 3}},

		{"all at random", Random, []float32{1, 2, 3}, nil, 3, []int{0, 1, 2}},
	} {
		t.Run(string(c.selection)+"/"+c.name, func(t *testing.T) {
			mask := make([]uint64, maskWords(len(c.tuned)))
			for i := range mask {
				mask[i] = math.MaxUint64 // choose must clear it
			}
			if err := newSelector(t, c.selection).choose(mask, rowPair{tuned: c.tuned, base: c.base}, c.k); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, columns(mask)); diff != "" {
				t.Errorf("columns kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSelectErrors(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name      string
		selection Selection
		tuned     []float32
		base      []float32
		k         int
		words     int
		want      string
	}{
		{"NaN", KEN, []float32{1, nan, inf}, nil, 1, 1, "column 1 of the fine-tuned row is NaN"},
		{"infinite", Random, []float32{1, 2, -inf}, nil, 1, 1, "column 2 of the fine-tuned row is -Inf"},
		{"infinite, all kept", Magnitude, []float32{inf}, nil, 1, 1, "column 0 of the fine-tuned row is +Inf"},
		{"NaN in the base", LargestChange, []float32{1, 2}, []float32{1, nan}, 1, 1, "column 1 of the base row is NaN"},
		{"short base", LargestChange, []float32{1, 2}, []float32{1}, 1, 1, "base row has 1 weights, fine-tuned row has 2"},
		{"no base", LargestChange, []float32{1, 2}, nil, 1, 1, "base row has 0 weights, fine-tuned row has 2"},
		{"mask too long", KEN, []float32{1, 2}, nil, 1, 2, "mask has 2 words, a row of 2 weights needs 1"},
		{"mask too short", KEN, make([]float32, 65), nil, 1, 1, "mask has 1 words, a row of 65 weights needs 2"},
		{"negative k", KEN, []float32{1, 2}, nil, -1, 1, "cannot keep -1 weights"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := newSelector(t, c.selection).choose(make([]uint64, c.words), rowPair{tuned: c.tuned, base: c.base}, c.k)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}

	var value *valueError
	err := newSelector(t, LargestChange).choose(make([]uint64, 1), rowPair{tuned: []float32{1, 2}, base: []float32{inf, 1}}, 1)
	if !errors.As(err, &value) || *value != (valueError{column: 0, value: inf, base: true}) {
		t.Errorf("error is %#v", err)
	}
	if _, err := newRowSelector("smallest", 0); err == nil || !strings.Contains(err.Error(), `unknown selection "smallest"`) {
		t.Errorf("newRowSelector: %v", err)
	}
}

func TestParseSelection(t *testing.T) {
	for _, s := range selections() {
		if got, err := parseSelection(string(s)); got != s || err != nil {
			t.Errorf("parseSelection(%q) = %q, %v", s, got, err)
		}
	}
	if _, err := parseSelection("KEN"); err == nil {
		t.Error("upper case is accepted")
	}
}

func TestKept(t *testing.T) {
	for _, c := range []struct {
		n, k int
		keep float64
		want int
	}{
		{384, 192, 0, 192},
		{384, 1000, 0, 384},
		{384, 10, 0.5, 10}, // k has priority
		{384, 0, 0.5, 192},
		{384, 0, 0.001, 1},
		{384, 0, 1e-300, 1},
		{384, 0, 0.0039, 1},
		{384, 0, 0.004, 2},
		{384, 0, 1, 384},
		{384, 0, 7, 384},
		{384, 0, 0, 0},
		{384, 0, -1, 0},
		{384, 0, math.NaN(), 0},
		{5, 0, 0.5, 3},
		{0, 0, 0.5, 0},
		{0, 4, 0, 0},
	} {
		if got := Kept(c.n, c.k, c.keep); got != c.want {
			t.Errorf("Kept(%d, %d, %g) = %d, want %d", c.n, c.k, c.keep, got, c.want)
		}
	}
}

// anyRow draws finite rows with many duplicates, zeros of both signs and neighbouring
// float32s.
func anyRow(t *rapid.T, label string, n int) []float32 {
	lattice := rapid.Custom(func(t *rapid.T) float32 {
		return float32(rapid.IntRange(-6, 6).Draw(t, "i")) / 4 * float32(rapid.SampledFrom([]int{-1, 1}).Draw(t, "sign"))
	})
	value := rapid.OneOf(lattice, rapid.Float32Range(-2, 2), rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32))
	if rapid.Bool().Draw(t, "tame") {
		value = rapid.OneOf(lattice, rapid.Float32Range(-2, 2))
	}
	return rapid.SliceOfN(value, n, n).Draw(t, label)
}

func TestKENProperties(t *testing.T) {
	selector := newSelector(t, KEN)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 150).Draw(t, "n")
		row := anyRow(t, "row", n)
		k := rapid.IntRange(1, n+2).Draw(t, "k")
		mask := make([]uint64, maskWords(n))
		if err := selector.choose(mask, rowPair{tuned: row}, k); err != nil {
			t.Fatal(err)
		}
		kept := columns(mask)
		if len(kept) < min(k, n) {
			t.Fatalf("%d columns kept, want at least %d", len(kept), min(k, n))
		}
		if last := kept[len(kept)-1]; last >= n {
			t.Fatalf("column %d of %d kept", last, n)
		}
		isKept := map[float32]bool{}
		for _, j := range kept {
			isKept[row[j]] = true
		}
		for j, v := range row {
			if isKept[v] != (mask[j/64]>>(j%64)&1 != 0) {
				t.Fatalf("column %d is not kept together with its duplicates", j)
			}
		}
		// The first point is at the lowest value, the last at the highest.
		if !isKept[slices.Min(row)] || k > 1 && !isKept[slices.Max(row)] {
			t.Fatal("an end of the row is not kept")
		}
		if !slices.Equal(mask, naiveKEN(row, k)) {
			t.Fatal("mask differs from that of naiveKEN")
		}
	})
}

// TestLargestProperties compares the k largest with a sort of all columns. It also
// checks that a permutation of the columns that keeps equal magnitudes in order
// permutes the mask.
func TestLargestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 150).Draw(t, "n")
		row := rowPair{tuned: anyRow(t, "tuned", n), base: anyRow(t, "base", n)}
		k := rapid.IntRange(0, n).Draw(t, "k")
		for selection, magnitude := range map[Selection]func(j int) float32{
			LargestChange: func(j int) float32 { return absolute(row.tuned[j] - row.base[j]) },
			Magnitude:     func(j int) float32 { return absolute(row.tuned[j]) },
		} {
			selector, err := newRowSelector(selection, 0)
			if err != nil {
				t.Fatal(err)
			}
			mask := make([]uint64, maskWords(n))
			if err := selector.choose(mask, row, k); err != nil {
				t.Fatal(err)
			}
			falling := upTo(n)
			slices.SortStableFunc(falling, func(a, b int) int {
				switch x, y := magnitude(a), magnitude(b); {
				case x > y:
					return -1
				case x < y:
					return 1
				}
				return 0
			})
			want := slices.Sorted(slices.Values(falling[:k]))
			if diff := cmp.Diff(want, columns(mask), cmp.Transformer("", func(s []int) []int { return append([]int{}, s...) })); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", selection, diff)
			}

			permuted := rowPair{}
			for _, j := range falling {
				permuted.tuned = append(permuted.tuned, row.tuned[j])
				permuted.base = append(permuted.base, row.base[j])
			}
			if err := selector.choose(mask, permuted, k); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(columns(mask), upTo(k)) {
				t.Fatalf("%s: columns are in falling order, kept are %v, want the first %d", selection, columns(mask), k)
			}
		}
	})
}

func TestRandom(t *testing.T) {
	const n, k = 6, 3
	mask := make([]uint64, 1)
	row := rowPair{tuned: make([]float32, n), tensor: "dense.weight"}
	choose := func(selector *rowSelector, row rowPair) uint64 {
		if err := selector.choose(mask, row, k); err != nil {
			t.Fatal(err)
		}
		return mask[0]
	}
	selector := newSelector(t, Random)

	// All subsets of three columns are about equally frequent.
	const rows = 40_000
	frequency := map[uint64]int{}
	choices := make([]uint64, rows)
	for i := range choices {
		row.index = i
		choices[i] = choose(selector, row)
		frequency[choices[i]]++
	}
	if len(frequency) != 20 {
		t.Errorf("%d different subsets, want 20", len(frequency))
	}
	for subset, count := range frequency {
		// Five standard deviations of a binomial distribution.
		const expected = rows / 20.0
		if math.Abs(float64(count)-expected) > 5*math.Sqrt(expected*0.95) {
			t.Errorf("subset %06b is chosen %d times, want about %g", subset, count, expected)
		}
	}

	// Another selector makes the same choices, in any order of rows.
	other := newSelector(t, Random)
	for i := rows - 1; i >= 0; i -= 7 {
		row.index = i
		if got := choose(other, row); got != choices[i] {
			t.Fatalf("row %d: %06b, want %06b", i, got, choices[i])
		}
	}

	// Another seed or tensor gives other choices. One in 20 is the same by chance.
	reseeded, err := newRowSelector(Random, 2)
	if err != nil {
		t.Fatal(err)
	}
	renamed := row
	renamed.tensor = "dense.bias"
	same := map[string]int{}
	for i := range 2000 {
		row.index, renamed.index = i, i
		if choose(reseeded, row) == choices[i] {
			same["seed"]++
		}
		if choose(selector, renamed) == choices[i] {
			same["tensor"]++
		}
	}
	for changed, count := range same {
		if count > 150 {
			t.Errorf("another %s: %d of 2000 choices are the same", changed, count)
		}
	}
}

// TestRandomIsStable checks a seed's choice against a constant. A delta file records the
// seed so that the delta can be made again, also by a later release.
func TestRandomIsStable(t *testing.T) {
	mask := make([]uint64, 2)
	row := rowPair{tuned: make([]float32, 100), tensor: "encoder.layer.0.output.dense.weight", index: 3}
	if err := newSelector(t, Random).choose(mask, row, 5); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{7, 10, 29, 31, 44}, columns(mask)); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestSelectAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	row := rowPair{tuned: make([]float32, 777), base: make([]float32, 777), tensor: "t"}
	for j := range row.tuned {
		row.tuned[j], row.base[j] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	narrow := row
	narrow.tuned = slices.Clone(row.tuned)
	for j := range narrow.tuned {
		narrow.tuned[j] *= 1e-7 // every point has a level of its own
	}
	mask := make([]uint64, maskWords(777))
	for _, selection := range selections() {
		selector := newSelector(t, selection)
		for name, row := range map[string]rowPair{"ordinary": row, "narrow": narrow} {
			t.Run(fmt.Sprintf("%s/%s", selection, name), func(t *testing.T) {
				if n := testing.AllocsPerRun(5, func() {
					if err := selector.choose(mask, row, 300); err != nil {
						t.Fatal(err)
					}
				}); n != 0 {
					t.Errorf("%g allocations a row", n)
				}
			})
		}
	}
}
