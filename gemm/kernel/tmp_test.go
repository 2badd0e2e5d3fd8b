package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func minTime(n int, f func()) time.Duration {
	best := time.Hour
	for range n {
		s := time.Now()
		for range 4 {
			f()
		}
		best = min(best, time.Since(s)/4)
	}
	return best
}

func TestTmpTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, k := range []int{384, 1536} {
		for _, lanes := range []int{8, 16} {
			a := View{Data: random(r, lanes*(k+16)), Rows: lanes, Cols: k, Stride: k + 16}
			s := Strip{Lanes: lanes, Lines: make([]float32, StripLines(k)*lanes+16)}
			var qs []Quads
			n := 0
			for range 12 {
				var q Quads
				q.Read(randomSigns(t, r, k, 0.02, -1), 0, nil)
				n += len(q.Places)
				qs = append(qs, q)
			}
			var scales, bias PanelRow
			sums := make([]float32, PanelWidth*lanes)
			dst := View{Data: make([]float32, lanes*400), Rows: lanes, Cols: 32, Stride: 400}
			load := minTime(500, func() { LoadStrip(s, a) })
			add := minTime(500, func() {
				for i := range qs {
					AddQuads(sums, s, &qs[i])
				}
			})
			store := minTime(500, func() {
				for range qs {
					StoreSums(dst, sums, lanes, &scales, &bias)
				}
			})
			panel := make([]PanelRow, 12*k)
			gemm := minTime(300, func() {
				for i := range 12 {
					SGEMM(dst, dst, a.Data, a.Stride, panel[i*k:][:k], false, nil)
				}
			})
			fmt.Printf("k=%d lanes=%d: load %v, add 12 panels %v (%.2f ns/quad), store %v, sgemm %v\n", k, lanes, load, add, float64(add.Nanoseconds())/float64(n), store, gemm)
		}
	}
}
