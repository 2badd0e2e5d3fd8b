package main

import (
	"slices"
	"testing"
)

func TestCheck(t *testing.T) {
	tree := func() map[string]imports {
		return map[string]imports{
			"low":  {set{}, set{"high": true}},
			"high": {set{"low": true}, set{}},
		}
	}
	const good = "low:\n  tests: high\n\n# A section.\nhigh: low\n"
	for name, test := range map[string]struct {
		table string
		want  []string
	}{
		"agrees":         {good, nil},
		"no package":     {"low:\n  tests: high\n", []string{"high has no line in layers/table.txt"}},
		"no import":      {"low:\n  tests: high\nhigh:\n", []string{"layers/table.txt does not list low for high, which imports it"}},
		"no test import": {"low:\nhigh: low\n", []string{"layers/table.txt does not list high for tests of low, which imports it"}},
		"stale package":  {good + "gone:\n", []string{"gone is in layers/table.txt but not in the module"}},
		"stale import":   {"low:\n  tests: high\nhigh: low\n  tests: low\n", []string{"layers/table.txt lists low for tests of high, which no longer needs it"}},
		"wrong order":    {"high: low\nlow:\n  tests: high\n", []string{"high imports low, which does not stand above it in layers/table.txt"}},
		"twice":          {good + "high: low\n", []string{"high has two lines in layers/table.txt"}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, end, err := parse(test.table)
			if err != nil {
				t.Fatal(err)
			}
			if got := format(rows, end); got != test.table {
				t.Errorf("the table was written back as %q", got)
			}
			if got := check(rows, tree()); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := check(updated(rows, tree()), tree()); name != "wrong order" && name != "twice" && len(got) > 0 {
				t.Errorf("after an update: %q", got)
			}
		})
	}
}
