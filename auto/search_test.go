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

// world is a task whose deltas are as good as a rule says: the logits are right
// on all texts but the first wrong ones, and less sure with a worse delta.
type world struct {
	texts   int
	quality func(o ken.Options) float64 // 0: the full model's, below: worse
	size    func(o ken.Options) int64
	options ken.Options
	tried   []Point
	fails   error
}

func (w *world) search(tolerance float64) *Search {
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
				sure := float32(2)
				if i < wrong {
					sure = -2
				}
				if i%2 == 1 {
					sure = -sure
				}
				logits = append(logits, sure, 0)
			}
			return logits, ctx.Err()
		},
		Progress: func(p Point) { w.tried = append(w.tried, p) },
	}
}

// typical loses more the less is kept, unless the factor makes up for it: the
// best one is keep^−0.6, and lines have qualities of their own.
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

func typicalSize(o ken.Options) int64 {
	bits := map[delta.Coding]float64{delta.Float32: 40, delta.Int8: 16, delta.Int4: 12, delta.Sign: 8}[o.Coding]
	n := 2e6 * o.Keep * bits / 8
	if o.Scope == ken.ScopeAttention {
		n /= 2
	}
	return int64(n)
}

// TestSearch: the delta that is found is within the tolerance, every smaller
// one on its line is not, and neither is any smaller one of another line.
func TestSearch(t *testing.T) {
	for _, tolerance := range []float64{0.005, 0.01, 0.02, 0.05} {
		w := &world{texts: 1000, quality: typical, size: typicalSize}
		r, err := w.search(tolerance).Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !r.Best.Within || (r.Best.Change+r.Best.Expected)/2 < -tolerance-1e-9 {
			t.Errorf("tolerance %g: %+v is not within", tolerance, r.Best)
		}
		if len(r.Points) != len(w.tried) || len(r.Points) > 100 {
			t.Errorf("tolerance %g: %d points, %d told of", tolerance, len(r.Points), len(w.tried))
		}
		for _, p := range r.Points {
			if p.Within && p.Bytes < r.Best.Bytes {
				t.Errorf("tolerance %g: %v of %d bytes is within, %v of %d was chosen", tolerance, p.Candidate, p.Bytes, r.Best.Candidate, r.Best.Bytes)
			}
		}
		// By the rule, with the best factor there is, and one refinement less.
		least := int64(math.MaxInt64)
		for _, line := range configurations {
			for rung := 0.0; rung < keepSteps; rung += 0.5 {
				for e := minExponent; e <= maxExponent; e++ {
					c := line
					c.Keep, c.Factor = keepAt(rung), factorAt(e)
					o := c.Apply(ken.Options{})
					if typical(o) >= -tolerance && typicalSize(o) < least {
						least = typicalSize(o)
					}
				}
			}
		}
		if r.Best.Bytes > least {
			t.Errorf("tolerance %g: %d bytes, %d are possible", tolerance, r.Best.Bytes, least)
		}
		if r.KEN.Selection != ken.KEN || !r.KEN.Within || r.KEN.Factor != 1 {
			t.Errorf("tolerance %g: %+v", tolerance, r.KEN)
		}
		if want := 1 - tolerance/0.2; r.KEN.Keep < want-1e-9 || r.KEN.Keep > want+0.1 {
			t.Errorf("tolerance %g: ken at %g, want the next above %g", tolerance, r.KEN.Keep, want)
		}
	}
}

func TestSearchOfNothing(t *testing.T) {
	w := &world{texts: 100, size: typicalSize, quality: func(o ken.Options) float64 {
		if o.Keep == 1 {
			return 0
		}
		return -0.5
	}}
	r, err := w.search(0.01).Run(context.Background())
	if !errors.Is(err, errNothing) || r == nil || len(r.Points) < 10 {
		t.Errorf("%v, want %v with the points that were tried", err, errNothing)
	}
}

func TestSearchErrors(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		edit func(*Search, *world)
		says string
	}{
		"no texts":           {func(s *Search, _ *world) { s.Gold = nil }, "no texts"},
		"tolerance":          {func(s *Search, _ *world) { s.Tolerance = math.NaN() }, "tolerance"},
		"confidence":         {func(s *Search, _ *world) { s.Confidence = 1 }, "confidence"},
		"too few logits":     {func(s *Search, _ *world) { s.Labels = 3 }, "200 logits"},
		"a judge that fails": {func(_ *Search, w *world) { w.fails = broken }, "broken"},
	}
	for name, test := range tests {
		w := &world{texts: 100, quality: typical, size: typicalSize}
		s := w.search(0.01)
		test.edit(s, w)
		if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&world{texts: 100, quality: typical, size: typicalSize}).search(0.01).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
