package auto

import (
	"math"
	"math/rand/v2"
	"testing"
)

// pruned returns a head h, features x of a pruned model, and target, the logits of h for
// the full model's features. x is a linear map of the full model's features plus noise.
func pruned(seed uint64, texts, labels, features int, noise float64, bias bool) (h *Head, x, target []float32) {
	rng := rand.New(rand.NewPCG(seed, 1))
	normal := func(n int, scale float64) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(scale * rng.NormFloat64())
		}
		return out
	}
	h = &Head{Labels: labels, Features: features, Weight: normal(labels*features, 1)}
	if bias {
		h.Bias = normal(labels, 1)
	}
	full := normal(texts*features, 1)
	target = h.logits(full)
	x = normal(texts*features, noise)
	for i := range texts {
		for j := range features {
			x[i*features+j] += 0.5*full[i*features+j] + 0.3*full[i*features+(j+1)%features]
		}
	}
	return h, x, target
}

// squares returns the mean squared difference.
func squares(a, b []float32) (sum float64) {
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return sum / float64(len(a))
}

// TestFitHead checks that the gradient of the ridge regression is 0 at the fitted head.
func TestFitHead(t *testing.T) {
	for _, bias := range []bool{false, true} {
		h, x, target := pruned(1, 40, 3, 5, 0.2, bias)
		got, err := h.fit(x, target)
		if err != nil {
			t.Fatal(err)
		}
		logits := got.logits(x)
		columns, trace := h.Features, 0.0
		for _, v := range x {
			trace += float64(v) * float64(v)
		}
		if bias {
			columns++
			trace += 40
		}
		for l := range h.Labels {
			for j := range columns {
				change, gradient := 0.0, 0.0
				if j < h.Features {
					change = float64(got.Weight[l*h.Features+j]) - float64(h.Weight[l*h.Features+j])
				} else {
					change = float64(got.Bias[l]) - float64(h.Bias[l])
				}
				for i := range 40 {
					f := 1.0
					if j < h.Features {
						f = float64(x[i*h.Features+j])
					}
					gradient += f * (float64(logits[i*h.Labels+l]) - float64(target[i*h.Labels+l]))
				}
				if gradient += ridge * trace / float64(columns) * change; math.Abs(gradient) > 1e-3 {
					t.Errorf("bias %v: gradient of weight (%d,%d) is %g, want 0", bias, l, j, gradient)
				}
			}
		}
		if before, after := squares(h.logits(x), target), squares(logits, target); after > before/2 {
			t.Errorf("bias %v: mean squared error %g after the fit, %g before", bias, after, before)
		}
	}
}

// TestCrossFit checks that cross-fitting measures the error of a fitted head on new texts,
// not on those that it was fitted to.
func TestCrossFit(t *testing.T) {
	const fitted, all = 100, 2100
	h, x, target := pruned(2, all, 4, 50, 0.5, true)
	some, goal := x[:fitted*h.Features], target[:fitted*h.Labels]
	head, err := h.fit(some, goal)
	if err != nil {
		t.Fatal(err)
	}
	crossed, err := h.crossFit(some, goal)
	if err != nil {
		t.Fatal(err)
	}
	inSample := squares(head.logits(some), goal)
	crossFitted := squares(crossed, goal)
	truth := squares(head.logits(x[fitted*h.Features:]), target[fitted*h.Labels:])
	if math.Abs(crossFitted-truth) > 0.25*truth || inSample > 0.6*truth {
		t.Errorf("mean squared error: %g on new texts, %g by cross-fitting, %g on the texts of the fit", truth, crossFitted, inSample)
	}
}

// TestFitDegenerate checks fits to fewer texts than folds and to features of 0.
func TestFitDegenerate(t *testing.T) {
	for _, texts := range []int{1, 3} {
		h, x, target := pruned(3, texts, 2, 4, 0, true)
		for _, features := range [][]float32{x, make([]float32, len(x))} {
			for name, f := range map[string]func() (int, error){
				"fit":      func() (int, error) { g, err := h.fit(features, target); return len(g.Weight) / 4, err },
				"crossFit": func() (int, error) { l, err := h.crossFit(features, target); return len(l) / texts, err },
			} {
				if n, err := f(); err != nil || n != 2 {
					t.Errorf("%s of %d texts: %d labels, %v", name, texts, n, err)
				}
			}
		}
	}
}
