package auto

import (
	"context"
	"maps"
	"math"
	"testing"

	"kenserve/ken"
)

// TestGroupFactors checks that the search finds group factors where groups need
// different ones, and with them a smaller delta, and that it loses nothing where one
// factor fits all groups.
func TestGroupFactors(t *testing.T) {
	for name, want := range map[string]map[string]float64{
		"different": {"h.*.a": 3, "h.*.b": -2, "h.*.c": 0}, // exponents of factorStep
		"equal":     {"h.*.a": 0, "h.*.b": 0, "h.*.c": 0},
	} {
		w := &simulation{texts: 4000, size: typicalSize, quality: func(o ken.Options) float64 {
			q := typical(o)
			if o.Keep < 1 && o.Selection != ken.KEN {
				for group, exponent := range want {
					q -= 0.002 * math.Abs(math.Log(factorOf(o.Factors, group))/math.Log(factorStep)-exponent)
				}
			}
			return q
		}}
		run := func(groups []string) *Result {
			w.tried = nil
			s := w.search(0.015)
			s.Groups = groups
			r, err := s.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		plain, found := run(nil), run([]string{"h.*.a", "h.*.b", "h.*.c"})
		if name == "equal" {
			if found.Best.Bytes != plain.Best.Bytes {
				t.Errorf("equal factors: best is %v, without group factors %v", found.Best, plain.Best)
			}
			continue
		}
		if found.Best.Bytes >= plain.Best.Bytes || !found.Best.Within {
			t.Errorf("%s: best is %+v, without group factors %+v", name, found.Best, plain.Best)
		}
		for group, f := range parseFactors(found.Best.Factors) {
			if exponent := math.Log(f) / math.Log(factorStep); math.Abs(exponent-want[group]) > 0.1 {
				t.Errorf("%s: factor of %s is %g, factorStep to the power of %.2f", name, group, f, exponent)
			}
		}
		if o := found.Best.Apply(ken.Options{}); !maps.Equal(o.Factors, parseFactors(found.Best.Factors)) || len(o.Factors) == 0 {
			t.Errorf("%s: options have factors %v", name, o.Factors)
		}
	}
}

func TestFactorsText(t *testing.T) {
	for _, factors := range []map[string]float64{nil, {"a.*.b": 1.25}, {"x": 0.512, "a": 2.441}} {
		text := formatFactors(factors)
		if got := parseFactors(text); !maps.Equal(got, factors) {
			t.Errorf("%v: %q, read as %v", factors, text, got)
		}
	}
}
