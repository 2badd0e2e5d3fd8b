package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
)

func TestProductTransposedAgainstNaive(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		var scratch Scratch
		for _, k := range []int{1, 7, 12, 32, 64, 100} {
			for m := range 20 {
				for _, n := range []int{1, 2, 3, 8, 17, 33, 70} {
					a, b := kerneltest.RandomView(r, m, k, 3*k+1), kerneltest.RandomView(r, n, k, 3*k)
					c := kerneltest.RandomView(r, m, n, n+m%3)
					ProductTransposed(c, a, b, 0.25, &scratch)
					want, size := kerneltest.Product(a, b)
					compareProduct(t, fmt.Sprintf("m=%d n=%d k=%d", m, n, k), c, k+1, 0.25, want, size)
				}
			}
		}
	})
}

func TestProductAgainstNaive(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		var scratch Scratch
		for _, n := range []int{1, 7, 12, 32, 64, 100} {
			for m := range 20 {
				for _, k := range []int{1, 2, 3, 8, 17, 33, 70} {
					a, b := kerneltest.RandomView(r, m, k, k+1), kerneltest.RandomView(r, k, n, 3*n+m%3)
					c := kerneltest.RandomView(r, m, n, 3*n)
					Product(c, a, b, &scratch)
					want, size := kerneltest.Product(a, transposed(b))
					compareProduct(t, fmt.Sprintf("m=%d n=%d k=%d", m, n, k), c, k, 1, want, size)
				}
			}
		}
	})
}

func transposed(v kernel.View) kernel.View {
	t := kerneltest.RowMajor(make([]float32, v.Rows*v.Cols), v.Cols, v.Rows)
	for i := range v.Rows {
		for j, x := range v.Row(i) {
			t.Row(j)[i] = x
		}
	}
	return t
}

func compareProduct(t *testing.T, name string, c kernel.View, k int, scale float64, want, size []float64) {
	t.Helper()
	for i := range c.Rows {
		for j, got := range c.Row(i) {
			x := i*c.Cols + j
			if e := math.Abs(float64(got) - scale*want[x]); !(e <= kerneltest.SumBound(k, scale*size[x])) {
				t.Fatalf("%s: element (%d,%d) is %v, want %v", name, i, j, got, scale*want[x])
			}
		}
	}
	for i, x := range c.Data {
		if (i%c.Stride >= c.Cols || i/c.Stride >= c.Rows) && x == x {
			t.Fatalf("%s: wrote outside the result at %d", name, i)
		}
	}
}

func BenchmarkAttentionProducts(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 3))
	var scratch Scratch
	for _, s := range []struct{ tokens, width, stride int }{{24, 32, 384}, {128, 32, 384}, {128, 64, 784}} {
		q, k, v := kerneltest.RandomView(r, s.tokens, s.width, s.stride), kerneltest.RandomView(r, s.tokens, s.width, s.stride), kerneltest.RandomView(r, s.tokens, s.width, s.stride)
		scores := kerneltest.RandomView(r, s.tokens, s.tokens, (s.tokens+15)&^15)
		b.Run(fmt.Sprintf("scores/tokens=%d/width=%d", s.tokens, s.width), func(b *testing.B) {
			for b.Loop() {
				ProductTransposed(scores, q, k, 0.125, &scratch)
			}
			b.ReportMetric(2*float64(b.N)*float64(s.tokens*s.tokens*s.width)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
		b.Run(fmt.Sprintf("context/tokens=%d/width=%d", s.tokens, s.width), func(b *testing.B) {
			for b.Loop() {
				Product(q, scores, v, &scratch)
			}
			b.ReportMetric(2*float64(b.N)*float64(s.tokens*s.tokens*s.width)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
	}
}
