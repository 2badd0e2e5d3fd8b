package adamw

import (
	"encoding/json"
	"math"
	"os"
	"testing"
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
	// every position of a tensor twice as long, to test sparse updates
	spread := func(x []float32) (weights []float32, positions []int32) {
		weights = make([]float32, 2*n)
		for i, v := range x {
			weights[2*i+1] = v
			positions = append(positions, int32(2*i+1))
		}
		return weights, positions
	}
	for decay, want := range goldens {
		a := &Tensor{Name: "a", Weights: start(1), Gradient: make([]float32, n), Rate: 1, Decay: 0.1}
		b := &Tensor{Name: "b", Gradient: make([]float32, n), Rate: 10}
		b.Weights, b.Positions = spread(start(2))
		o, err := New([]*Tensor{a, b})
		if err != nil {
			t.Fatal(err)
		}
		schedule := Schedule{Peak: 1e-2, Warmup: 10, Total: 100, Decay: decay}
		for step := 1; step <= 100; step++ {
			for i := range n {
				phase := float64((step*7+i*5)%19) / 19
				a.Gradient[i] = float32(12 * math.Cos(3*float64(a.Weights[i])+phase))
				b.Gradient[i] = float32(2 * phase * phase * float64(b.Weights[2*i+1]))
			}
			norm := Clip(o.tensors, 5)
			o.Step(schedule.Rate(step - 1))
			if step != want[0].Step {
				continue
			}
			if math.Abs(norm-want[0].Norm) > 1e-5*want[0].Norm {
				t.Errorf("%s, step %d: norm %g, PyTorch has %g", decay, step, norm, want[0].Norm)
			}
			for i := range n {
				if d := math.Abs(float64(a.Weights[i] - want[0].A[i])); d > 1e-6 {
					t.Errorf("%s, step %d: a[%d] is %g, PyTorch has %g", decay, step, i, a.Weights[i], want[0].A[i])
				}
				if d := math.Abs(float64(b.Weights[2*i+1] - want[0].B[i])); d > 1e-6 {
					t.Errorf("%s, step %d: b[%d] is %g, PyTorch has %g", decay, step, i, b.Weights[2*i+1], want[0].B[i])
				}
				if b.Weights[2*i] != 0 {
					t.Errorf("%s, step %d: a weight that is not trained is %g", decay, step, b.Weights[2*i])
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

func TestGradientLength(t *testing.T) {
	if _, err := New([]*Tensor{{Name: "a", Weights: make([]float32, 3), Gradient: make([]float32, 2)}}); err == nil {
		t.Error("a gradient of the wrong length is accepted")
	}
}
