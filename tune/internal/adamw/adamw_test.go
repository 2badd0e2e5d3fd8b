package adamw

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"kenserve/internal/parallel"
)

// TestPyTorch follows testdata/adamw.py for 100 steps.
func TestPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/adamw.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens map[Decay][]struct {
		Step int
		Norm float64
		A, B []float32
	}
	if err := json.Unmarshal(text, &goldens); err != nil {
		t.Fatal(err)
	}
	const n = 12
	start := func(seed int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32((i*37+seed*11)%23-11) / 16
		}
		return x
	}
	for decay, want := range goldens {
		a, b := start(1), start(2)
		da, db := make([]float32, n), make([]float32, n)
		o := New([]*Tensor{{Name: "a", Weights: &a, Gradient: &da, Rate: 1, Decay: 0.1}, {Name: "b", Weights: &b, Gradient: &db, Rate: 10}})
		schedule := Schedule{Peak: 1e-2, Warmup: 10, Total: 100, Decay: decay}
		for step := 1; step <= 100; step++ {
			for i := range n {
				phase := float64((step*7+i*5)%19) / 19
				da[i] = float32(12 * math.Cos(3*float64(a[i])+phase))
				db[i] = float32(2 * phase * phase * float64(b[i]))
			}
			norm := Norm(nil, o.tensors)
			o.Step(nil, schedule.Rate(step-1), ClipFactor(norm, 5))
			if step != want[0].Step {
				continue
			}
			if math.Abs(norm-want[0].Norm) > 1e-5*want[0].Norm {
				t.Errorf("%s, step %d: norm %g, PyTorch has %g", decay, step, norm, want[0].Norm)
			}
			for i := range n {
				if d := math.Abs(float64(a[i] - want[0].A[i])); d > 1e-6 {
					t.Errorf("%s, step %d: a[%d] is %g, PyTorch has %g", decay, step, i, a[i], want[0].A[i])
				}
				if d := math.Abs(float64(b[i] - want[0].B[i])); d > 1e-6 {
					t.Errorf("%s, step %d: b[%d] is %g, PyTorch has %g", decay, step, i, b[i], want[0].B[i])
				}
			}
			want = want[1:]
			if len(want) == 0 {
				break
			}
		}
		if len(want) != 0 {
			t.Errorf("%s: not all steps were compared", decay)
		}
	}
}

func TestSchedule(t *testing.T) {
	for _, test := range []struct {
		s    Schedule
		step int
		want float64
	}{
		{Schedule{Peak: 2, Warmup: 4, Total: 12, Decay: Linear}, 0, 0},
		{Schedule{Peak: 2, Warmup: 4, Total: 12, Decay: Linear}, 2, 1},
		{Schedule{Peak: 2, Warmup: 4, Total: 12, Decay: Linear}, 4, 2},
		{Schedule{Peak: 2, Warmup: 4, Total: 12, Decay: Linear}, 8, 1},
		{Schedule{Peak: 2, Warmup: 4, Total: 12, Decay: Linear}, 20, 0},
		{Schedule{Peak: 2, Warmup: 4, Total: 12, Decay: Cosine}, 8, 1},
		{Schedule{Peak: 2, Warmup: 0, Total: 1, Decay: Cosine}, 0, 2},
		{Schedule{Peak: 2, Warmup: 4, Total: 12, Decay: Constant}, 99, 2},
	} {
		if got := test.s.Rate(test.step); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%+v: rate of step %d is %g, want %g", test.s, test.step, got, test.want)
		}
	}
}

// TestGrow compares a tensor that grows with one that had all its weights from the start,
// with gradients of 0 before.
func TestGrow(t *testing.T) {
	grown, whole := []float32{1}, []float32{1, 2}
	dGrown, dWhole := []float32{0.5}, []float32{0.5, 0}
	a := New([]*Tensor{{Weights: &grown, Gradient: &dGrown, Rate: 1}})
	b := New([]*Tensor{{Weights: &whole, Gradient: &dWhole, Rate: 1}})
	a.Step(nil, 0.1, 1)
	b.Step(nil, 0.1, 1)
	grown, dGrown, dWhole = append(grown, 2), []float32{0.5, 0.25}, []float32{0.5, 0.25}
	a.Step(nil, 0.1, 1)
	b.Step(nil, 0.1, 1)
	if grown[0] != whole[0] || grown[1] != whole[1] {
		t.Errorf("weights that were added later are %v, want %v", grown, whole)
	}
}

func TestRestore(t *testing.T) {
	w, g := []float32{1, 2}, []float32{3, 4}
	o := New([]*Tensor{{Weights: &w, Gradient: &g, Rate: 1}})
	for _, states := range [][]State{nil, {{Mean: make([]float32, 3), Square: make([]float32, 3)}}, {{Mean: make([]float32, 2), Square: make([]float32, 1)}}} {
		if o.Restore(states, 1) == nil {
			t.Errorf("%d averages are accepted for 2 weights", len(states))
		}
	}
}

// TestReference compares tensors of many blocks, on several workers, with the formula.
func TestReference(t *testing.T) {
	const n = 2*blockValues + 77
	pool := parallel.NewPool(3)
	defer pool.Close()
	w, g := make([]float32, n), make([]float32, n)
	want, mean, square := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range w {
		w[i] = float32(i%1000)/500 - 1
		want[i] = float64(w[i])
	}
	o := New([]*Tensor{{Weights: &w, Gradient: &g, Rate: 2, Decay: 0.5}})
	for step := 1; step <= 3; step++ {
		sum := 0.0
		for i := range g {
			g[i] = float32((i*step)%17)/16 - 0.5
			sum += float64(g[i]) * float64(g[i])
		}
		norm := Norm(pool, o.Tensors())
		if math.Abs(norm-math.Sqrt(sum)) > 1e-9*norm {
			t.Errorf("norm %g, want %g", norm, math.Sqrt(sum))
		}
		o.Step(pool, 0.01, ClipFactor(norm, norm/2))
		for i := range want {
			d := float64(g[i]) / 2
			want[i] *= 1 - 0.02*0.5
			mean[i] += 0.1 * (d - mean[i])
			square[i] = 0.999*square[i] + 0.001*d*d
			want[i] -= 0.02 / (1 - math.Pow(0.9, float64(step))) * mean[i] / (math.Sqrt(square[i]/(1-math.Pow(0.999, float64(step)))) + 1e-8)
		}
	}
	for i := range want {
		if math.Abs(float64(w[i])-want[i]) > 1e-6 {
			t.Fatalf("weight %d is %g, want %g", i, w[i], want[i])
		}
	}
}
