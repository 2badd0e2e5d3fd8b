package head

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nlpodyssey/spago/mat"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/models/grad"
	"kenserve/models/tiny"
	"kenserve/tune/internal/tape"
)

// newHead returns the head of a tiny model with three labels.
func newHead(t *testing.T, family string, dropout float32) (*Head, int) {
	t.Helper()
	dir := t.TempDir()
	if err := tiny.WriteFamily(dir, family, 1); err != nil {
		t.Fatal(err)
	}
	config, err := models.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	arch, err := families.New(config)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(arch, 3, grad.Dropout{Hidden: dropout, Seed: 4}, 9, func(models.Parameter) ([]float32, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return h, h.inputs
}

// features returns random features.
func features(rows, columns int) gemm.View {
	rng := rand.New(rand.NewPCG(1, 2))
	v := gemm.View{Rows: rows, Cols: columns, Stride: columns + 3, Data: make([]float32, rows*(columns+3))}
	for i := range v.Data {
		v.Data[i] = float32(rng.NormFloat64())
	}
	return v
}

// sum is a loss with a weight of its own for each logit.
func sum(logits mat.Tensor) mat.Tensor {
	shape := logits.Shape()
	c := make([]float32, shape[0]*shape[1])
	for i := range c {
		c[i] = float32(i%5) - 1.5
	}
	return tape.Weighted(logits, c)
}

// TestGradients compares gradients with differences, for the heads of several families.
func TestGradients(t *testing.T) {
	for _, family := range []string{"bert", "roberta", "distilbert", "electra", "deberta-v2", "modernbert", "bloom"} {
		t.Run(family, func(t *testing.T) {
			h, width := newHead(t, family, 0)
			for _, w := range h.Weights() { // larger than at first, so that differences are exact enough
				for i := range w.Values {
					w.Values[i] = w.Values[i]*10 + 0.01*float32(i%7)
				}
			}
			h.Updated()
			x := features(4, width)
			loss := func() float64 {
				l, _, err := h.Gradients(x, grad.Mode{Train: true}, sum)
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			h.ZeroGrad()
			_, dx, err := h.Gradients(x, grad.Mode{Train: true}, sum)
			if err != nil {
				t.Fatal(err)
			}
			gradients := map[*Weight][]float32{}
			for _, w := range h.Weights() {
				gradients[w] = slices.Clone(w.Grad)
			}
			check := func(what string, at *float32, got float32, update func()) {
				t.Helper()
				const step = 1.0 / 64
				before := *at
				*at = before + step
				update()
				high := loss()
				*at = before - step
				update()
				low := loss()
				*at = before
				update()
				if want := (high - low) / (2 * step); math.Abs(want-float64(got)) > 0.01*(1+math.Abs(want)) {
					t.Errorf("%s: gradient %g, by differences %g", what, got, want)
				}
			}
			for _, w := range h.Weights() {
				for i := 0; i < len(w.Values); i += max(1, len(w.Values)/7) {
					check(w.Name, &w.Values[i], gradients[w][i], h.Updated)
				}
			}
			for i := range 4 {
				for j := 0; j < width; j += 5 {
					check("features", &x.Data[i*x.Stride+j], dx.Row(i)[j], func() {})
				}
			}
		})
	}
}

// TestKeep trains some positions of a weight: they have the gradients of the whole.
func TestKeep(t *testing.T) {
	h, width := newHead(t, "bert", 0)
	x := features(3, width)
	if _, _, err := h.Gradients(x, grad.Mode{Train: true}, sum); err != nil {
		t.Fatal(err)
	}
	w := h.Weights()[0]
	whole, before := slices.Clone(w.Grad), h.Logits(x)
	w.Reset()
	if err := w.Keep([]int{1, 7, 20}); err != nil {
		t.Fatal(err)
	}
	for _, other := range h.Weights()[1:] {
		other.Freeze()
	}
	if _, _, err := h.Gradients(x, grad.Mode{Train: true}, sum); err != nil {
		t.Fatal(err)
	}
	if want := []float32{whole[1], whole[7], whole[20]}; !slices.Equal(w.Grad, want) {
		t.Errorf("gradients %v, want %v", w.Grad, want)
	}
	if !slices.Equal(h.Logits(x), before) {
		t.Error("keeping positions changes logits")
	}
	w.Shown = []float32{5, 5, 5}
	h.Updated()
	all := make([]float32, len(whole))
	w.Read(all)
	if all[7] != 5 || w.Values[1] == 5 || slices.Equal(h.Logits(x), before) {
		t.Error("values that are shown are not used")
	}
	for _, positions := range [][]int{{3, 3}, {-1}, {len(whole)}} {
		if w.Reset(); w.Keep(positions) == nil {
			t.Errorf("positions %v are accepted", positions)
		}
	}
}

// TestDropout checks that an element's fate does not depend on how a step is divided, and
// that the mean stays.
func TestDropout(t *testing.T) {
	h, _ := newHead(t, "bert", 0.25)
	whole := mat.Data[float32](h.mask([]int{40, 50}, grad.Mode{Step: 3}, 1))
	part := mat.Data[float32](h.mask([]int{10, 50}, grad.Mode{Step: 3, First: 30}, 1))
	if !slices.Equal(whole[30*50:], part) {
		t.Error("a part of a step has another dropout than the whole")
	}
	if other := mat.Data[float32](h.mask([]int{40, 50}, grad.Mode{Step: 4}, 1)); slices.Equal(whole, other) {
		t.Error("two steps have the same dropout")
	}
	mean := 0.0
	for _, x := range whole {
		mean += float64(x) / float64(len(whole))
	}
	if math.Abs(mean-1) > 0.05 {
		t.Errorf("the mean factor is %g, want about 1", mean)
	}
}
