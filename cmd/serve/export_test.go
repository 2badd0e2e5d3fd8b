package main

import (
	"testing"

	"kenserve/delta"
)

func TestNotExported(t *testing.T) {
	for _, c := range []struct {
		name        string
		temperature float64
		thresholds  []float64
		want        string
	}{
		{"neither", 0, nil, ""},
		{"a temperature that changes nothing", 1, nil, ""},
		{"a temperature", 1.25, nil, "temperature (1.25)"},
		{"thresholds", 0, []float64{0.4, 0.6}, "thresholds"},
		{"both", 0.5, []float64{0.4, 0.6}, "temperature (0.5) and thresholds"},
	} {
		if got := notExported(delta.Info{Temperature: c.temperature, Thresholds: c.thresholds}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
