package gemm

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestElementaryFunctions(t *testing.T) {
	for _, f := range []struct {
		name     string
		f        func(float32) float32
		want     func(float64) float64
		lo, hi   float64
		abs, rel float64 // allowed error: abs + rel·|want|
	}{
		{"erf", erf32, math.Erf, -6, 6, 0, 5e-7},
		{"tanh", tanh32, math.Tanh, -12, 12, 0, 5e-7},
		{"exp", exp32, math.Exp, -87, 88, 0, 2e-7},
		{"exp of what underflows", exp32, math.Exp, -200, -87, 2e-38, 0},
	} {
		const steps = 2_000_000
		worst, at := 0.0, 0.0
		for i := range steps + 1 {
			x := float32(f.lo + (f.hi-f.lo)*float64(i)/steps)
			want := f.want(float64(x))
			if e := math.Abs(float64(f.f(x))-want) - f.abs - f.rel*math.Abs(want); e > worst {
				worst, at = e, float64(x)
			}
		}
		if worst > 0 {
			t.Errorf("%s(%v) is %v, want %v", f.name, at, f.f(float32(at)), f.want(at))
		}
	}
}

func TestElementaryFunctionsAtTheEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, f := range map[string]func(float32) float32{"erf": erf32, "tanh": tanh32} {
		for _, c := range []struct{ x, want float64 }{{0, 0}, {math.Inf(1), 1}, {math.Inf(-1), -1}, {math.MaxFloat32, 1}} {
			if got := float64(f(float32(c.x))); math.Abs(got-c.want) > 1e-7 || math.Abs(got) > 1 {
				t.Errorf("%s(%v) is %v, want %v", name, c.x, got, c.want)
			}
		}
		for x := float32(-20); x < 20; x += 1e-3 {
			if y := f(x); max(y, -y) > 1 {
				t.Fatalf("%s(%v) = %v", name, x, y)
			}
		}
		if got := f(nan); got == got {
			t.Errorf("%s(NaN) is %v", name, got)
		}
	}
	if got := exp32(0); got != 1 {
		t.Errorf("exp(0) is %v", got)
	}
	if got := exp32(-inf); got != 0 {
		t.Errorf("exp(-Inf) is %v", got)
	}
	if got := exp32(nan); got == got {
		t.Errorf("exp(NaN) is %v", got)
	}
}

func TestActivations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for a := Identity; a <= Tanh; a++ {
			var x []float32
			for v := float32(-12); v < 12; v += 1.0 / 1024 {
				x = append(x, v)
			}
			y := append([]float32(nil), x...)
			a.Apply(y)
			for i, v := range x {
				allowed := 5e-7 * math.Max(1, math.Abs(float64(v)))
				if want := activate64(a, float64(v)); !(math.Abs(float64(y[i])-want) <= allowed) {
					t.Fatalf("activation %d of %v is %v, want %v", a, v, y[i], want)
				}
			}
			// A value's result does not depend on its place.
			for n := range 20 {
				for start := range 9 {
					z := append([]float32(nil), x[start:start+n]...)
					a.Apply(z)
					for i := range z {
						if z[i] != y[start+i] {
							t.Fatalf("activation %d of %v is %v at %d of %d, %v elsewhere", a, x[start+i], z[i], i, n, y[start+i])
						}
					}
				}
			}
			inf := float32(math.Inf(1))
			edge := []float32{float32(math.NaN()), inf, math.MaxFloat32, 0}
			a.Apply(edge)
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
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 3))
		for n := range 70 {
			x := randomView(r, 3, n, n+2)
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
					// The difference is rounded, by up to half a unit of itself.
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
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 4))
		for _, n := range []int{1, 2, 7, 24, 64, 383, 384, 768} {
			for _, mean := range []float32{0, 3, -100} {
				for _, eps := range []float32{1e-12, 1e-5} {
					x := randomView(r, 4, n, n+1)
					gamma, beta := random(r, n), random(r, n)
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
					// Subtracting a mean of magnitude m costs half a unit of m,
					// about m·2⁻²⁴, in values of magnitude 1.
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
