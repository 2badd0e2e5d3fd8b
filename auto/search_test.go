package auto

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"kenserve/delta"
	"kenserve/ken"
)

// simulation is a task whose deltas have the quality that a rule gives: the logits are
// right on all texts but the first ones, whose number grows as the quality falls.
type simulation struct {
	texts   int
	quality func(o ken.Options) float64 // accuracy minus that of the full model
	size    func(o ken.Options) int64
	options ken.Options
	tried   []Point
	fails   error
}

func (w *simulation) search(tolerance float64) *Search {
	gold := make([]int, w.texts)
	for i := range gold {
		gold[i] = i % 2
	}
	return &Search{
		Labels: 2, Gold: gold, Tolerance: tolerance, Confidence: 0.5,
		Make: func(_ context.Context, o ken.Options) (int64, error) {
			w.options = o
			return w.size(o), o.Validate()
		},
		Predict: func(ctx context.Context) ([]float32, error) {
			if w.fails != nil && len(w.tried) == 3 {
				return nil, w.fails
			}
			q := w.quality(w.options)
			wrong := int(math.Round((0.1 - q) * float64(w.texts)))
			logits := make([]float32, 0, 2*w.texts)
			for i := range w.texts {
				logit := float32(2)
				if i < wrong {
					logit = -2
				}
				if i%2 == 1 {
					logit = -logit
				}
				logits = append(logits, logit, 0)
			}
			return logits, ctx.Err()
		},
		Progress: func(p Point) { w.tried = append(w.tried, p) },
	}
}

// typical loses more accuracy the less is kept and the further the factor is from the
// best one, keep^−0.6. Scope and budget change the loss.
func typical(o ken.Options) float64 {
	if o.Keep == 1 {
		return 0
	}
	lost := 0.0002 / o.Keep
	if o.Scope == ken.ScopeAttention {
		lost /= 2
	}
	if o.Budget != ken.BudgetRow {
		lost *= 3
	}
	if o.Selection == ken.KEN {
		return -0.2 * (1 - o.Keep)
	}
	return -lost - 0.02*math.Abs(math.Log(o.Factor)+0.6*math.Log(o.Keep))
}

// typicalSize grows with the keep fraction and the bits of the coding.
func typicalSize(o ken.Options) int64 {
	bits := map[delta.Coding]float64{delta.Float32: 40, delta.Int8: 16, delta.Int4: 12, delta.Sign: 8}[o.Coding]
	n := 2e6 * o.Keep * bits / 8
	if o.Scope == ken.ScopeAttention {
		n /= 2
	}
	return int64(n)
}

// TestSearch checks that the delta found is within the tolerance, and that no smaller
// delta of any configuration is.
func TestSearch(t *testing.T) {
	for _, tolerance := range []float64{0.005, 0.01, 0.02, 0.05} {
		w := &simulation{texts: 1000, quality: typical, size: typicalSize}
		r, err := w.search(tolerance).Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !r.Best.Within || (r.Best.Change+r.Best.Expected)/2 < -tolerance-1e-9 {
			t.Errorf("tolerance %g: best is %+v, want it within the tolerance", tolerance, r.Best)
		}
		if len(r.Points) != len(w.tried) || len(r.Points) > 100 {
			t.Errorf("tolerance %g: %d points, %d reported, want at most 100", tolerance, len(r.Points), len(w.tried))
		}
		for _, p := range r.Points {
			if p.Within && p.Bytes < r.Best.Bytes {
				t.Errorf("tolerance %g: %v of %d bytes is within the tolerance, but best is %v of %d", tolerance, p.Candidate, p.Bytes, r.Best.Candidate, r.Best.Bytes)
			}
		}
		// The smallest size by the rule, with the best factor, without the last refinement.
		smallest := int64(math.MaxInt64)
		for _, config := range configurations {
			for step := 0.0; step < keepSteps; step += 0.5 {
				for e := minExponent; e <= maxExponent; e++ {
					c := config
					c.Keep, c.Factor = keepAt(step), factorAt(e)
					o := c.Apply(ken.Options{})
					if typical(o) >= -tolerance && typicalSize(o) < smallest {
						smallest = typicalSize(o)
					}
				}
			}
		}
		if r.Best.Bytes > smallest {
			t.Errorf("tolerance %g: best has %d bytes, want at most %d", tolerance, r.Best.Bytes, smallest)
		}
		if r.KEN.Selection != ken.KEN || !r.KEN.Within || r.KEN.Factor != 1 {
			t.Errorf("tolerance %g: %+v", tolerance, r.KEN)
		}
		if want := 1 - tolerance/0.2; r.KEN.Keep < want-1e-9 || r.KEN.Keep > want+0.1 {
			t.Errorf("tolerance %g: ken keeps %g, want the next fraction above %g", tolerance, r.KEN.Keep, want)
		}
	}
}

func TestSearchFindsNothing(t *testing.T) {
	w := &simulation{texts: 100, size: typicalSize, quality: func(o ken.Options) float64 {
		if o.Keep == 1 {
			return 0
		}
		return -0.5
	}}
	r, err := w.search(0.01).Run(context.Background())
	if !errors.Is(err, errNothing) || r == nil || len(r.Points) < 10 {
		t.Errorf("error is %v, want %v with the points that were tried", err, errNothing)
	}
}

func TestSearchErrors(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		edit func(*Search, *simulation)
		says string
	}{
		"no texts":                {func(s *Search, _ *simulation) { s.Gold = nil }, "no texts"},
		"tolerance":               {func(s *Search, _ *simulation) { s.Tolerance = math.NaN() }, "tolerance"},
		"confidence":              {func(s *Search, _ *simulation) { s.Confidence = 1 }, "confidence"},
		"too few logits":          {func(s *Search, _ *simulation) { s.Labels = 3 }, "200 logits"},
		"a prediction that fails": {func(_ *Search, w *simulation) { w.fails = broken }, "broken"},
	}
	for name, test := range tests {
		w := &simulation{texts: 100, quality: typical, size: typicalSize}
		s := w.search(0.01)
		test.edit(s, w)
		if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&simulation{texts: 100, quality: typical, size: typicalSize}).search(0.01).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
