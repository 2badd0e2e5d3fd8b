package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// SGEMMStrided computes its definition for 16 and 32 columns, at every level.
func TestSGEMMStrided(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(91, 92))
		for _, columns := range []int{16, 32} {
			for rows := range 20 {
				for _, k := range []int{0, 1, 4, 7, 40} {
					aStride, bStride, stride := k+rows%3, columns+k%5, columns+rows%2
					a, b, init := random(r, rows*aStride+1), random(r, k*bStride+columns), random(r, columns)
					dst := View{Data: make([]float32, rows*stride+1), Rows: rows, Cols: columns, Stride: stride}
					SGEMMStrided(dst, View{Data: init, Rows: rows, Cols: columns}, a, aStride, b, bStride, k)
					for i := range rows {
						for j, got := range dst.Row(i) {
							want, magnitude := float64(init[j]), math.Abs(float64(init[j]))
							for p := range k {
								product := float64(a[i*aStride+p]) * float64(b[p*bStride+j])
								want += product
								magnitude += math.Abs(product)
							}
							if e := math.Abs(float64(got) - want); !(e <= float64(k+2)*0x1p-24*magnitude) {
								t.Fatalf("%d rows, %d columns, k=%d: element (%d,%d) is %v, want %v", rows, columns, k, i, j, got, want)
							}
						}
					}
				}
			}
		}
	})
}
