package ken

import (
	"math"
	"testing"

	"kenserve/delta"
)

func TestOptions(t *testing.T) {
	good := Options{Selection: KEN, Keep: 0.5, Coding: delta.Float32}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*Options){
		"selection":  func(o *Options) { o.Selection = "best" },
		"scope":      func(o *Options) { o.Scope = "some" },
		"coding":     func(o *Options) { o.Coding = "f64" },
		"both":       func(o *Options) { o.K = 3 },
		"neither":    func(o *Options) { o.Keep = 0 },
		"negative":   func(o *Options) { o.Keep, o.K = 0, -1 },
		"above one":  func(o *Options) { o.Keep = 1.01 },
		"NaN":        func(o *Options) { o.Keep = math.NaN() },
		"budget":     func(o *Options) { o.Budget = "layer" },
		"ken pooled": func(o *Options) { o.Budget = BudgetModel },
		"factor":     func(o *Options) { o.Factor = -1 },
		"factors":    func(o *Options) { o.Factors = map[string]float64{"h.*.a": 0} },
		"vectors":    func(o *Options) { o.VectorCoding = "f64" },
	}
	for name, edit := range tests {
		o := good
		edit(&o)
		if err := o.Validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
