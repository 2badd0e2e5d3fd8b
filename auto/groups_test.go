package auto

import (
	"context"
	"maps"
	"math"
	"testing"

	"kenserve/ken"
)

// TestByGroup: where kinds of tensors want factors of their own, these are found,
// and with them a smaller delta; where they do not, nothing is lost.
func TestByGroup(t *testing.T) {
	for name, want := range map[string]map[string]float64{
		"apart": {"h.*.a": 3, "h.*.b": -2, "h.*.c": 0}, // powers of the step
		"alike": {"h.*.a": 0, "h.*.b": 0, "h.*.c": 0},
	} {
		w := &world{texts: 4000, size: typicalSize, quality: func(o ken.Options) float64 {
			q := typical(o)
			if o.Keep < 1 && o.Selection != ken.KEN {
				for kind, exponent := range want {
					q -= 0.002 * math.Abs(math.Log(factorOf(o.Factors, kind))/math.Log(factorStep)-exponent)
				}
			}
			return q
		}}
		run := func(kinds []string) *Result {
			w.tried = nil
			s := w.search(0.015)
			s.Groups = kinds
			r, err := s.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		plain, found := run(nil), run([]string{"h.*.a", "h.*.b", "h.*.c"})
		if name == "alike" {
			if found.Best.Bytes != plain.Best.Bytes {
				t.Errorf("alike: %v, without factors by kind %v", found.Best, plain.Best)
			}
			continue
		}
		if found.Best.Bytes >= plain.Best.Bytes || !found.Best.Within {
			t.Errorf("%s: %+v, without factors by kind %+v", name, found.Best, plain.Best)
		}
		for kind, f := range parseFactors(found.Best.Factors) {
			if exponent := math.Log(f) / math.Log(factorStep); math.Abs(exponent-want[kind]) > 0.1 {
				t.Errorf("%s: %s has %g, the step to the power of %.2f", name, kind, f, exponent)
			}
		}
		if o := found.Best.Apply(ken.Options{}); !maps.Equal(o.Factors, parseFactors(found.Best.Factors)) || len(o.Factors) == 0 {
			t.Errorf("%s: the options have %v", name, o.Factors)
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
