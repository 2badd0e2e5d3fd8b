package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
)

// The results of two levels with the same operands differ by at most twice the error bound
// of one level.
func TestLevelsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	levels := kernel.SupportedLevels()
	if len(levels) == 1 {
		t.Skip("this machine or build has portable kernels only")
	}
	for _, s := range []struct{ n, k int }{{1, 7}, {33, 100}, {64, 384}, {96, 700}, {7, 1536}} {
		w := kerneltest.Random(r, s.n*s.k)
		m := packRows(s.n, s.k, w)
		bias := kerneltest.Random(r, s.n)
		for _, rows := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 47, 48, 49, 53, 70} {
			a := kerneltest.RandomView(r, rows, s.k, s.k+rows%7)
			_, size := kerneltest.Product(a, kerneltest.RowMajor(w, s.n, s.k))
			results := make([]View, len(levels))
			for i, l := range levels {
				results[i] = kerneltest.RandomView(r, rows, s.n, s.n+rows%3)
				kerneltest.AtLevel(l, func() { m.Mul(nil, results[i], a, Epilogue{Bias: bias}) })
			}
			for i := range rows {
				for j, want := range results[0].Row(i) {
					allowed := 2 * kerneltest.SumBound(s.k+1, size[i*s.n+j]+math.Abs(float64(bias[j])))
					for l, result := range results[1:] {
						if e := math.Abs(float64(result.Row(i)[j]) - float64(want)); !(e <= allowed) {
							t.Fatalf("n=%d, k=%d, %d rows: element (%d,%d) is %v with %s kernels, %v with portable ones",
								s.n, s.k, rows, i, j, result.Row(i)[j], levels[l+1], want)
						}
					}
				}
			}
		}
	}
}
