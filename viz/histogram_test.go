package viz

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// change draws differences of two float32.
var change = rapid.Map(rapid.OneOf(
	rapid.Just[float32](0), rapid.Float32Range(-1, 1), rapid.Float32Range(-1e-9, 1e-9), rapid.Float32(),
), func(x float32) float64 { return float64(x) })

func histogramOf(changes []float64) *Histogram {
	h := &Histogram{}
	for _, x := range changes {
		h.add(x)
	}
	return h
}

func TestHistogramCountsEveryChangeInItsBin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SliceOf(change).Draw(t, "changes")
		limit := rapid.IntRange(2, 600).Draw(t, "limit")
		counts, low, width := histogramOf(changes).Bins(limit)
		if len(counts) > limit {
			t.Fatalf("%d bins, want at most %d", len(counts), limit)
		}
		want := make([]int, len(counts))
		for _, x := range changes {
			if x == 0 {
				continue
			}
			// Widths are powers of two, so edges and quotients are exact.
			want[int(math.Floor(x/width)-low/width)]++
		}
		if diff := cmp.Diff(want, counts, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestHistogramMerges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(change).Draw(t, "a"), rapid.SliceOf(change).Draw(t, "b")
		got, want := histogramOf(a), histogramOf(append(append([]float64(nil), b...), a...))
		got.merge(histogramOf(b))
		// The last bits of the sums depend on the order.
		got.sum, got.sumSq, want.sum, want.sumSq = 0, 0, 0, 0
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Histogram{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestHistogramNumbers(t *testing.T) {
	h := histogramOf([]float64{-1, 0, 0, 0.5, 3.5})
	for name, x := range map[string][2]float64{
		"n": {float64(h.N), 5}, "zero": {float64(h.Zero), 2}, "min": {h.min, -1}, "max": {h.max, 3.5},
		"mean": {h.Mean(), 0.6}, "deviation": {h.Deviation(), 1.529705854077835},
	} {
		if math.Abs(x[0]-x[1]) > 1e-12 {
			t.Errorf("%s is %g, want %g", name, x[0], x[1])
		}
	}
	counts, low, width := h.Bins(8)
	if diff := cmp.Diff([]int{1, 1, 0, 0, 1}, counts); diff != "" || low != -1 || width != 1 {
		t.Errorf("bins from %g with width %g: %s", low, width, diff)
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		N, Zero    int
		Low, Width float64
		Counts     []int
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	all := 0
	for _, n := range back.Counts {
		all += n
	}
	if back.N != 5 || back.Zero != 2 || all != 3 || back.Low != -1 || back.Width != 1.0/64 {
		t.Errorf("%s", text)
	}
	if counts, _, _ := (&Histogram{}).Bins(10); counts != nil {
		t.Errorf("no changes: bins %v, want none", counts)
	}
}
