package models_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kenserve/gemm/kernel"
	"kenserve/models"
)

// BenchmarkAttention measures the attention of one sequence on one core: its
// multiplications a second as a share of the FMA peak that was measured in the same
// run. It takes the fastest pass, since other programs can only make one slower.
func BenchmarkAttention(b *testing.B) {
	for _, width := range []int{32, 64} {
		for _, tokens := range []int{8, 25, 128, 512, 2048} {
			b.Run(fmt.Sprintf("width=%d/tokens=%d", width, tokens), func(b *testing.B) {
				w, r := models.NewWorkspace(nil), rand.New(rand.NewPCG(1, 2))
				heads := max(1, min(12, 512/tokens)) // short passes, which other programs rarely interrupt
				q, k, v, out := w.View(tokens, heads*width), w.View(tokens, heads*width), w.View(tokens, heads*width), w.View(tokens, heads*width)
				for _, x := range [][]float32{q.Data, k.Data, v.Data} {
					for i := range x {
						x[i] = float32(r.NormFloat64())
					}
				}
				ends, best := []int{tokens}, time.Hour
				w2 := models.NewWorkspace(nil)
				peak := kernel.Peak(50 * time.Millisecond)
				for b.Loop() {
					start := time.Now()
					w2.Reset()
					w2.Attention(out, q, k, v, ends, ends, models.Heads{Count: heads, Width: width})
					best = min(best, time.Since(start))
				}
				peak = max(peak, kernel.Peak(50*time.Millisecond))
				b.ReportMetric(float64(4*heads*width*tokens*tokens)/best.Seconds()/peak, "of-peak")
			})
		}
	}
}
