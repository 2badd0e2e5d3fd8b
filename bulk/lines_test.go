package bulk

import (
	"strings"
	"testing"
)

func TestScanLines(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Written
	}{
		{"", Written{}},
		{"cut", Written{}},
		{"a\n", Written{Lines: 1, Bytes: 2, last: "a"}},
		{"a\nbc\ncut", Written{Lines: 2, Bytes: 5, last: "bc"}},
		{strings.Repeat("x", 3<<20) + "\ncut", Written{Lines: 1, Bytes: 3<<20 + 1, last: strings.Repeat("x", 3<<20)}},
	} {
		if got, err := ScanLines(strings.NewReader(c.in)); err != nil || got != c.want {
			t.Errorf("%.20q: %d lines, %d bytes, %v", c.in, got.Lines, got.Bytes, err)
		}
	}
}
