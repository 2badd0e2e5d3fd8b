package gemm

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// eachLevel runs a test with every level of kernels, and skips those that this
// machine or build lacks.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for l, name := range levelNames {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(supportedLevels(), level(l)) {
				t.Skipf("this processor or build lacks %s kernels", name)
			}
			atLevel(level(l), func() { f(t) })
		})
	}
}

func TestChooseLevel(t *testing.T) {
	all, middle, old := []level{portable, avx2, avx512}, []level{portable, avx2}, []level{portable}
	for _, c := range []struct {
		name      string
		supported []level
		want      level
		wrong     string
	}{
		{"", all, avx512, ""},
		{"", middle, avx2, ""},
		{"", old, portable, ""},
		{"portable", all, portable, ""},
		{"avx2", all, avx2, ""},
		{"avx512", all, avx512, ""},
		{"avx512", middle, avx2, "lacks"},
		{"avx2", old, portable, "lacks"},
		{"AVX2", all, avx512, "want portable or avx2 or avx512"},
		{"sse", old, portable, "want portable or avx2 or avx512"},
	} {
		got, err := chooseLevel(c.name, c.supported)
		if got != c.want || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%q with %v: level %v, error %v", c.name, c.supported, got, err)
		}
	}
	if name, _ := Kernels(); name != levelNames[current] {
		t.Errorf("Kernels() is %q", name)
	}
}

// The kernels of all levels, on the same inputs, differ by at most twice the
// error bound of a single one.
func TestLevelsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	levels := supportedLevels()
	if len(levels) == 1 {
		t.Skip("this machine or build has portable kernels only")
	}
	for _, s := range []struct{ n, k int }{{1, 7}, {33, 100}, {64, 384}, {96, 700}, {7, 1536}} {
		w := random(r, s.n*s.k)
		m := packRows(s.n, s.k, w)
		bias := random(r, s.n)
		for _, rows := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 47, 48, 49, 53, 70} {
			a := randomView(r, rows, s.k, s.k+rows%7)
			_, size := naive(a, rowMajor(w, s.n, s.k))
			results := make([]View, len(levels))
			for i, l := range levels {
				results[i] = randomView(r, rows, s.n, s.n+rows%3)
				func() {
					defer func(before level) { current = before }(current)
					current = l
					m.Mul(nil, results[i], a, Epilogue{Bias: bias})
				}()
			}
			for i := range rows {
				for j, want := range results[0].Row(i) {
					allowed := 2 * bound(s.k+1, size[i*s.n+j]+math.Abs(float64(bias[j])))
					for l, result := range results[1:] {
						if e := math.Abs(float64(result.Row(i)[j]) - float64(want)); !(e <= allowed) {
							t.Fatalf("n=%d, k=%d, %d rows: element (%d,%d) is %v with %s kernels, %v with portable ones",
								s.n, s.k, rows, i, j, result.Row(i)[j], levelNames[levels[l+1]], want)
						}
					}
				}
			}
		}
	}
}

func TestPeakIsPlausible(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		if p := Peak(1e6); p < 1e8 || p > 1e12 {
			t.Errorf("peak of %.1f GFLOP/s a core", p/1e9)
		}
	})
}
