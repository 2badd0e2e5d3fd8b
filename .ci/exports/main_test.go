package main

import (
	"slices"
	"testing"
)

// TestUnused shows that no name is exempt for itself: only a use, an interface or the
// rest of an enumeration keeps one.
func TestUnused(t *testing.T) {
	for title, test := range map[string]struct {
		s    survey
		want []string
	}{
		"no user":              {survey{}, []string{"p.A"}},
		"user":                 {survey{used: map[string]bool{"p.A": true}}, nil},
		"user of another name": {survey{used: map[string]bool{"p.B": true}}, []string{"p.A"}},
		"needed":               {survey{needed: map[string]bool{"p.A": true}}, nil},
		"implied":              {survey{used: map[string]bool{"p.F": true}, implies: map[string][]string{"p.F": {"p.A"}}}, nil},
		"implied, no user":     {survey{implies: map[string][]string{"p.F": {"p.A"}}}, []string{"p.A"}},
		"enumeration":          {survey{used: map[string]bool{"p.B": true}, enums: map[string][]string{"p.T": {"p.A", "p.B"}}}, nil},
	} {
		t.Run(title, func(t *testing.T) {
			test.s.declared = map[string]name{"p.A": {key: "p.A"}}
			var got []string
			for _, n := range test.s.unused() {
				got = append(got, n.key)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
