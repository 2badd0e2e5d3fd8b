package auto

import (
	"context"
	"math"
	"testing"

	"kenserve/delta"
	"kenserve/ken"
)

// TestFit checks that the fit ends at the factor with the smallest loss, from any start.
func TestFit(t *testing.T) {
	for _, keep := range []float64{0.4, 0.1, 0.02, 0.005} {
		for _, guess := range []float64{0, 0.5, 1, 3, 20} {
			w := &simulation{texts: 2000, quality: typical, size: typicalSize}
			p, err := w.search(0).Fit(context.Background(), Candidate{
				Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Sign, Keep: keep, Factor: guess,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := math.Round(-0.6 * math.Log(keep) / math.Log(factorStep))
			if got := math.Round(math.Log(p.Factor) / math.Log(factorStep)); got != want {
				t.Errorf("keep %g, start %g: factor 1.25^%g, want 1.25^%g", keep, guess, got, want)
			}
		}
	}
}

// TestFitBetweenSteps checks that a factor between two steps is found if no step is within
// the tolerance.
func TestFitBetweenSteps(t *testing.T) {
	for _, exponent := range []float64{3.4, 5.6, 7.75} {
		best := math.Pow(factorStep, exponent)
		w := &simulation{texts: 1000, size: typicalSize, quality: func(o ken.Options) float64 {
			if o.Keep == 1 {
				return 0
			}
			off := math.Log(o.Factor / best)
			return -1.5 * off * off
		}}
		p, err := w.search(0.002).Fit(context.Background(), Candidate{Selection: ken.LargestChange, Coding: delta.Sign, Keep: 0.05})
		if err != nil {
			t.Fatal(err)
		}
		if off := math.Abs(math.Log(p.Factor/best)) / math.Log(factorStep); !p.Within || off > 0.15 {
			t.Errorf("best factor is %g, found %g (%+v)", best, p.Factor, p)
		}
	}
}
