package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBackwardKernelsAgainstPortable compares the kernels of training with their references,
// and checks that the result of a value does not depend on its place.
func TestBackwardKernelsAgainstPortable(t *testing.T) {
	type activation struct {
		name             string
		kernel, portable func(dy, x []float32)
	}
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for n := range 70 {
			for _, a := range []activation{
				{"GELU", GELUBackward, geluBackwardPortable},
				{"GELUTanh", GELUTanhBackward, geluTanhBackwardPortable},
				{"Tanh", TanhBackward, tanhBackwardPortable},
			} {
				x, dy := random(r, n), random(r, n)
				for i := range x {
					x[i] *= 4
				}
				got, want := slices.Clone(dy), slices.Clone(dy)
				a.kernel(got, x)
				a.portable(want, x)
				near(t, fmt.Sprint(a.name, " of ", n), got, want, 1e-5)
				if n > 0 {
					one := dy[n-1:]
					a.kernel(one, x[n-1:])
					if one[0] != got[n-1] {
						t.Fatalf("%s: the last of %d values is %v, %v alone", a.name, n, got[n-1], one[0])
					}
				}
			}

			p, dp := random(r, n), random(r, n)
			want := slices.Clone(dp)
			SoftmaxBackward(dp, p, 0.25)
			softmaxBackwardPortable(want, p, 0.25)
			near(t, fmt.Sprint("softmax of ", n), dp, want, 1e-5)

			x, dy, gamma := random(r, n), random(r, n), random(r, n)
			for _, add := range []bool{false, true} {
				got := random(r, n)
				want := slices.Clone(got)
				if !add && n > 0 {
					got[0] = float32(math.NaN()) // is overwritten
				}
				m1, i1 := LayerNormBackward(got, dy, x, gamma, 1e-5, add)
				m2, i2 := layerNormBackwardPortable(want, dy, x, gamma, 1e-5, add)
				if n > 2 { // the deviation of fewer values can be near zero
					near(t, fmt.Sprint("layer norm of ", n), got, want, 1e-4)
					near(t, "statistics", []float32{m1, i1}, []float32{m2, i2}, 1e-4)
				}
			}

			v, m, g := random(r, n), random(r, n), random(r, n)
			for i := range v {
				v[i] *= v[i]
			}
			step := &AdamWStep{Scale: 0.5, Keep: 0.999, First: 0.1, Beta2: 0.999, Second: 0.001, Correction: 0.1, Eps: 1e-8, Step: 0.01}
			x2, m2, v2 := slices.Clone(x), slices.Clone(m), slices.Clone(v)
			AdamW(x, m, v, g, step)
			adamWPortable(x2, m2, v2, g, step)
			near(t, "AdamW's values", x, x2, 1e-6)
			near(t, "AdamW's first moments", m, m2, 1e-6)
			near(t, "AdamW's second moments", v, v2, 1e-6)
		}
		for _, rows := range []int{0, 1, 7, 8, 31, 32, 50} {
			for _, cols := range []int{1, 8, 31, 32, 33, 70} {
				x := View{Data: random(r, rows*(cols+3)), Rows: rows, Cols: cols, Stride: cols + 3}
				dy := View{Data: random(r, rows*(cols+5)), Rows: rows, Cols: cols, Stride: cols + 5}
				name := fmt.Sprintf("%d×%d", rows, cols)
				got := random(r, cols)
				want := slices.Clone(got)
				ColumnSums(got, x)
				columnSumsPortable(want, x)
				near(t, "sums of columns of "+name, got, want, 0)
				stats := make([][2]float32, rows)
				for i := range stats {
					stats[i] = [2]float32(random(r, 2))
				}
				LayerNormParameters(got, dy, x, stats)
				layerNormParametersPortable(want, dy, x, stats)
				near(t, "gammas of "+name, got, want, 1e-4)

				dst := View{Data: random(r, cols*(rows+2)), Rows: cols, Cols: rows, Stride: rows + 2}
				before := slices.Clone(dst.Data)
				ref := View{Data: slices.Clone(before), Rows: cols, Cols: rows, Stride: rows + 2}
				TransposeTo(dst, x)
				transposeToPortable(ref, x)
				near(t, "transpose of "+name, dst.Data, ref.Data, 0)
			}
		}
		for _, n := range []int{16, 48, 160} {
			y := View{Data: random(r, 9*(n+1)), Rows: 9, Cols: n, Stride: n + 1}
			x, all := random(r, n), []int32{3, 1, 4, 1, 5, 8, 2}
			for count := range all {
				got, want := make([]float32, count), make([]float32, count)
				Dots(got, x, y, all[:count])
				dotsPortable(want, x, y, all[:count])
				near(t, fmt.Sprint("scalar products of ", n), got, want, 1e-4)
			}
		}
	})
}

// near compares values, with an error relative to the larger of 1 and the value.
func near(t *testing.T, name string, got, want []float32, allowed float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= allowed*math.Max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("%s: value %d is %v, want %v", name, i, got[i], want[i])
		}
	}
}
