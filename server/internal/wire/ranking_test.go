package wire

import (
	"testing"

	"pgregory.net/rapid"

	"kenserve/runtime"
)

// Rank agrees with runtime.Result.Top, ties included.
func TestRank(t *testing.T) {
	var order []int32
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOfN(rapid.Map(rapid.IntRange(-5, 5), func(i int) float32 { return float32(i) / 4 }), 0, 60).Draw(t, "scores")
		k := rapid.IntRange(0, 70).Draw(t, "k")
		r := runtime.Result{Scores: [][]float32{scores}}
		for i := range scores {
			r.Labels = append(r.Labels, string(rune('A'+i)))
		}
		want := r.Top(0, k)
		order = Rank(order, scores, k)
		if len(order) != len(want) {
			t.Fatalf("%d labels, want %d", len(order), len(want))
		}
		for i, j := range order {
			if got := (runtime.Score{Label: r.Labels[j], Value: scores[j]}); got != want[i] {
				t.Fatalf("rank %d is %v, want %v", i, got, want[i])
			}
		}
	})
}
