package kernel

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// eachLevel runs a test at every level that this machine and build support.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for _, l := range SupportedLevels() {
		t.Run(l.String(), func(t *testing.T) {
			defer UseLevel(UseLevel(l))
			f(t)
		})
	}
}

// random returns n normally distributed values.
func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// randomRows returns n panel rows of normally distributed values.
func randomRows(r *rand.Rand, n int) []PanelRow {
	rows := make([]PanelRow, n)
	for i := range rows {
		copy(rows[i][:], random(r, PanelWidth))
	}
	return rows
}

func TestChooseLevel(t *testing.T) {
	all, middle, old := []Level{Portable, AVX2, AVX512}, []Level{Portable, AVX2}, []Level{Portable}
	for _, c := range []struct {
		name      string
		supported []Level
		want      Level
		wrong     string
	}{
		{"", all, AVX512, ""},
		{"", middle, AVX2, ""},
		{"", old, Portable, ""},
		{"portable", all, Portable, ""},
		{"avx2", all, AVX2, ""},
		{"avx512", all, AVX512, ""},
		{"avx512", middle, AVX2, "has no"},
		{"avx2", old, Portable, "has no"},
		{"AVX2", all, AVX512, "want portable or avx2 or avx512"},
		{"sse", old, Portable, "want portable or avx2 or avx512"},
	} {
		got, err := chooseLevel(c.name, c.supported)
		if got != c.want || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%q with %v: level %v, error %v", c.name, c.supported, got, err)
		}
	}
	if l, _ := CurrentLevel(); l != current {
		t.Errorf("CurrentLevel is %s, want %s", l, current)
	}
}

func TestPeakIsPlausible(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		if p := Peak(1e6); p < 1e8 || p > 1e12 {
			t.Errorf("peak of %.1f GFLOP/s a core", p/1e9)
		}
	})
}
