package nn

import (
	"math"
	"math/rand/v2"
	"testing"

	"kenserve/gemm/kernel"
	"kenserve/gemm/kernel/kerneltest"
)

// exact returns an activation of x by definition, in float64.
func exact(a Activation, x float64) float64 {
	switch a {
	case ReLU:
		return math.Max(0, x)
	case GELU:
		return kerneltest.GELU(x)
	case GELUTanh:
		return kerneltest.GELUTanh(x)
	case Tanh:
		return math.Tanh(x)
	}
	return x
}

func oneRow(x []float32) kernel.View {
	return kernel.View{Data: x, Rows: 1, Cols: len(x), Stride: len(x)}
}

// TestActivationsOfRows: the padding between rows stays as it is.
func TestActivationsOfRows(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 6))
		for a := Identity; a <= Tanh; a++ {
			for _, n := range []int{0, 1, 7, 16, 31, 32, 50} {
				for rows := range 4 {
					x := kerneltest.RandomView(r, rows, n, n+3)
					want := append([]float32(nil), x.Data...)
					for i := range rows {
						a.Apply(oneRow(want[i*x.Stride : i*x.Stride+n]))
					}
					a.Apply(x)
					for i := range want {
						if math.Float32bits(x.Data[i]) != math.Float32bits(want[i]) {
							t.Fatalf("activation %d of %d rows of %d: value %d is %v, want %v", a, rows, n, i, x.Data[i], want[i])
						}
					}
				}
			}
		}
	})
}

func TestActivations(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for a := Identity; a <= Tanh; a++ {
			var x []float32
			for v := float32(-12); v < 12; v += 1.0 / 1024 {
				x = append(x, v)
			}
			y := append([]float32(nil), x...)
			a.Apply(oneRow(y))
			for i, v := range x {
				allowed := 5e-7 * math.Max(1, math.Abs(float64(v)))
				if want := exact(a, float64(v)); !(math.Abs(float64(y[i])-want) <= allowed) {
					t.Fatalf("activation %d of %v is %v, want %v", a, v, y[i], want)
				}
			}
			// The result of a value does not depend on its place.
			for n := range 20 {
				for start := range 9 {
					z := append([]float32(nil), x[start:start+n]...)
					a.Apply(oneRow(z))
					for i := range z {
						if z[i] != y[start+i] {
							t.Fatalf("activation %d of %v is %v at %d of %d, %v elsewhere", a, x[start+i], z[i], i, n, y[start+i])
						}
					}
				}
			}
			inf := float32(math.Inf(1))
			edge := []float32{float32(math.NaN()), inf, math.MaxFloat32, 0}
			a.Apply(oneRow(edge))
			top := edge[2]
			if a == Tanh {
				top = 1
			}
			if edge[0] == edge[0] || edge[1] < 1-1e-6 || !(top >= 1-1e-6) || edge[3] != 0 {
				t.Errorf("activation %d of NaN, infinity, the largest and zero is %v", a, edge)
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 3))
		for n := range 70 {
			x := kerneltest.RandomView(r, 3, n, n+2)
			for i := range 3 {
				for j := range x.Row(i) {
					x.Row(i)[j] *= 10
				}
			}
			if n > 4 {
				x.Row(1)[3] = float32(math.Inf(-1))
				x.Row(2)[n-1] = -1000
			}
			want, allowed := make([][]float64, 3), make([][]float64, 3)
			for i := range want {
				top, sum := math.Inf(-1), 0.0
				for _, v := range x.Row(i) {
					top = math.Max(top, float64(v))
				}
				for _, v := range x.Row(i) {
					d := float64(v) - top
					want[i] = append(want[i], math.Exp(d))
					// Rounding the difference costs up to half a unit of it.
					allowed[i] = append(allowed[i], 1e-6-0x1p-24*d)
					sum += want[i][len(want[i])-1]
				}
				for j := range want[i] {
					want[i][j] /= sum
				}
			}
			Softmax(x)
			for i := range want {
				for j, got := range x.Row(i) {
					if e := math.Abs(float64(got) - want[i][j]); e > allowed[i][j]*want[i][j]+1e-37 || got != got {
						t.Fatalf("%d columns: (%d,%d) is %v, want %v", n, i, j, got, want[i][j])
					}
				}
			}
		}
	})
}

func TestLayerNorm(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 4))
		for _, n := range []int{1, 2, 7, 24, 64, 383, 384, 768} {
			for _, mean := range []float32{0, 3, -100} {
				for _, eps := range []float32{1e-12, 1e-5} {
					x := kerneltest.RandomView(r, 4, n, n+1)
					gamma, beta := kerneltest.Random(r, n), kerneltest.Random(r, n)
					want := make([][]float64, 4)
					for i := range want {
						m, v := 0.0, 0.0
						for j := range x.Row(i) {
							x.Row(i)[j] += mean
							m += float64(x.Row(i)[j])
						}
						m /= float64(n)
						for _, y := range x.Row(i) {
							v += (float64(y) - m) * (float64(y) - m)
						}
						v /= float64(n)
						for j, y := range x.Row(i) {
							want[i] = append(want[i], (float64(y)-m)/math.Sqrt(v+float64(eps))*float64(gamma[j])+float64(beta[j]))
						}
					}
					LayerNorm(x, gamma, beta, eps)
					// Subtracting a mean of magnitude m costs half a unit of m, about
					// m·2⁻²⁴, where values have magnitude 1.
					allowed := 4e-6 * (1 + math.Abs(float64(mean)))
					if n == 1 || n == 2 {
						allowed *= 100 // the deviation may be near zero
					}
					for i := range want {
						for j, got := range x.Row(i) {
							if e := math.Abs(float64(got) - want[i][j]); !(e <= allowed) {
								t.Fatalf("%d columns, mean %v: (%d,%d) is %v, want %v", n, mean, i, j, got, want[i][j])
							}
						}
					}
				}
			}
		}
	})
}
