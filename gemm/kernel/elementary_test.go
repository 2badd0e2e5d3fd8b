package kernel

import (
	"math"
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
		{"exp that underflows", exp32, math.Exp, -200, -87, 2e-38, 0},
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
