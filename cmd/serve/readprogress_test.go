package main

import (
	"strings"
	"testing"
	"time"

	"kenserve/bulk"
	"kenserve/dataset"
)

func TestReadProgress(t *testing.T) {
	for _, c := range []struct {
		name           string
		size, position int64 // of the file; where the run began
		before         int
		want           string
	}{
		{"size known", 1000, 0, 0, "texts: 50, 25% of the file, 5 a second, 30s left"},
		{"resumed", 1000, 200, 150, "texts: 200, 25% of the file, 5 a second, 2m30s left"},
		{"size unknown", -1, 0, 0, "texts: 50, 5 a second"},
		{"nothing read", 1000, 250, 0, "texts: 50, 25% of the file, 5 a second"},
	} {
		var out strings.Builder
		p := newReadProgress(&out, c.size, c.position, c.before)
		p.add(&bulk.Batch{Rows: make([]dataset.Row, 50), Position: 250})
		if out.Len() > 0 {
			t.Errorf("%s: writes at once: %s", c.name, &out)
		}
		if got := p.line(250, 10*time.Second); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
