package ken

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// BenchmarkSelect selects half of the weights of rows drawn from a normal distribution.
func BenchmarkSelect(b *testing.B) {
	for _, selection := range selections() {
		for _, n := range []int{384, 768, 1536, 3072} {
			b.Run(fmt.Sprintf("%s/n=%d", selection, n), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				rows := make([]rowPair, 64)
				for i := range rows {
					tuned, base := make([]float32, n), make([]float32, n)
					for j := range base {
						base[j] = float32(0.04 * r.NormFloat64())
						tuned[j] = base[j] + float32(0.002*r.NormFloat64())
					}
					rows[i] = rowPair{tuned: tuned, base: base, tensor: "dense.weight", index: i}
				}
				selector, err := newRowSelector(selection, 1)
				if err != nil {
					b.Fatal(err)
				}
				mask := make([]uint64, maskWords(n))
				b.SetBytes(int64(4 * n))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := selector.choose(mask, rows[i%len(rows)], n/2); err != nil {
						b.Fatal(err)
					}
				}
				if kept := countBits(mask); kept != n/2 {
					b.Fatalf("%d weights kept, want %d", kept, n/2)
				}
			})
		}
	}
}

// BenchmarkGoldenRows selects from all golden rows. benchmarks/prune compares its time
// with that of the reference procedure on the same rows.
func BenchmarkGoldenRows(b *testing.B) {
	rows := goldenRows(b)
	selector := newSelector(b, KEN)
	mask := make([]uint64, maskWords(4096))
	for b.Loop() {
		for _, r := range rows {
			mask := mask[:maskWords(r.N)]
			if err := selector.choose(mask, rowPair{tuned: r.values}, r.K); err != nil {
				b.Fatal(err)
			}
			if !slices.Equal(mask, r.mask) {
				b.Fatal("mask differs from the golden mask")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
}
