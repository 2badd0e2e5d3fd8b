package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func BenchmarkReadQuads(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, k := range []int{384, 1536} {
		t := randomSigns(b, r, k, 0.02, -1)
		var q Quads
		b.Run(fmt.Sprintf("sign/k=%d", k), func(b *testing.B) {
			for b.Loop() {
				q.Read(t, 0, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*t.Kept()), "ns/value")
		})
	}
}
