package main

import (
	"strings"
	"testing"

	"kenserve/internal/settings"
)

func TestReportUnknown(t *testing.T) {
	none := settings.Unknown{File: "config.json"}
	two := settings.Unknown{File: "config.json", Names: []string{"alpha", "beta"}}
	for _, c := range []struct {
		name     string
		strict   bool
		file     settings.Unknown
		warnings int
		err      string
	}{
		{"none", true, none, 0, ""},
		{"a warning", false, two, 1, ""},
		{"strict", true, two, 0, `config.json: 2 settings are unknown and ignored: "alpha", "beta"; remove them`},
	} {
		var lines []string
		err := reportUnknown("prune", c.strict, func(line string) { lines = append(lines, line) }, c.file)
		if len(lines) != c.warnings {
			t.Errorf("%s: warnings %q", c.name, lines)
		}
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}
