package ken

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kenserve/kde"
)

func TestOrderedBits(t *testing.T) {
	inf := float32(math.Inf(1))
	rising := []float32{-inf, -math.MaxFloat32, -1, -1e-40, -math.SmallestNonzeroFloat32, 0,
		math.SmallestNonzeroFloat32, 1e-40, 1, math.MaxFloat32, inf}
	for i, v := range rising {
		if got := fromOrderedBits(orderedBits(v)); got != v {
			t.Errorf("%g comes back as %g", v, got)
		}
		if i > 0 && orderedBits(rising[i-1]) >= orderedBits(v) {
			t.Errorf("%g is not below %g", rising[i-1], v)
		}
	}
	if negative := float32(math.Copysign(0, -1)); orderedBits(negative) != orderedBits(0) {
		t.Error("the zeros differ")
	}
}

// TestSort compares bucket and radix sort with a comparison sort, and checks which
// rows the bucket sort handles.
func TestSort(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var s sorter
	for _, c := range []struct {
		name    string
		n       int
		draw    func() float64
		buckets bool // whether the bucket sort handles the row
	}{
		{"one", 1, r.NormFloat64, true},
		{"normal", 3000, r.NormFloat64, true},
		{"small", 20, r.NormFloat64, true},
		{"uniform", 700, r.Float64, true},
		{"exponential", 700, r.ExpFloat64, true},
		{"far from 0", 700, func() float64 { return 1000 + r.NormFloat64() }, true},
		{"heavy tails", 700, func() float64 { return math.Exp(8 * r.NormFloat64()) }, false},
		{"duplicates", 700, func() float64 { return float64(r.IntN(5)) }, false},
		{"constant", 100, func() float64 { return 0.1 }, false},
		{"two zeros", 100, func() float64 { return math.Copysign(0, r.NormFloat64()) }, false},
		{"overflow", 700, func() float64 { return 1e38 * r.NormFloat64() / 4 }, false},
		{"subnormal", 700, func() float64 { return 1e-42 * r.NormFloat64() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := make([]float32, c.n)
			want := make([]uint64, c.n)
			for j := range row {
				row[j] = float32(c.draw())
				want[j] = uint64(orderedBits(row[j]))<<32 | uint64(j)
			}
			slices.Sort(want)
			mean, deviation := kde.Moments(row)
			if got := s.sort(row, mean, deviation); !slices.Equal(got, want) {
				t.Error("wrong order")
			}
			got, buckets := s.bucketSort(row, mean, deviation)
			if buckets != c.buckets {
				t.Errorf("bucket sort: %t, want %t", buckets, c.buckets)
			}
			if buckets && !slices.Equal(got, want) {
				t.Error("wrong order from the bucket sort")
			}
			if got := s.radixSort(row); !slices.Equal(got, want) {
				t.Error("wrong order from the radix sort")
			}
		})
	}
}
