package kde

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// sample draws n values and sorts them.
func sample(n int, draw func(i int) float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(draw(i))
	}
	slices.Sort(x)
	return x
}

// samples are rows of many distributions, some of them worst cases of the transform.
func samples() map[string][]float32 {
	r := rand.New(rand.NewPCG(1, 2))
	return map[string][]float32{
		"two":               {-1, 3},
		"three":             {0, 1e-30, 1},
		"normal":            sample(384, func(int) float64 { return 0.04 * r.NormFloat64() }),
		"wide":              sample(3072, func(int) float64 { return 0.05 * r.NormFloat64() }),
		"uniform":           sample(500, func(int) float64 { return r.Float64() }),
		"heavy tails":       sample(768, func(int) float64 { return 0.01 * r.NormFloat64() / r.Float64() }),
		"bimodal":           sample(300, func(i int) float64 { return float64(i%2) + 0.05*r.NormFloat64() }),
		"exponential":       sample(384, func(int) float64 { return r.ExpFloat64() }),
		"duplicates":        sample(384, func(int) float64 { return math.Round(20*r.NormFloat64()) / 256 }),
		"sparse":            sample(384, func(i int) float64 { return float64(i%9/8) * r.NormFloat64() }),
		"one outlier":       sample(768, func(i int) float64 { return 0.001*r.NormFloat64() + float64(i/767) }),
		"narrow":            sample(384, func(int) float64 { return 1e-4 * r.NormFloat64() }),
		"nearly constant":   sample(384, func(int) float64 { return 1 + 1e-7*r.NormFloat64() }),
		"narrow, many":      sample(3072, func(int) float64 { return 1e-6 * r.NormFloat64() }),
		"levels past 2^30":  sample(384, func(int) float64 { return 1e-20 * r.NormFloat64() }),
		"subnormal":         sample(50, func(int) float64 { return 1e-40 * r.NormFloat64() }),
		"huge":              sample(384, func(int) float64 { return 1e18 * r.NormFloat64() }),
		"deviation is +Inf": sample(384, func(int) float64 { return 1e30 * r.NormFloat64() }),
	}
}

// naiveLevels is the portable reference of Estimator.Levels: rounded direct sums.
func naiveLevels(points []float64, sample []float32, h float64) []int32 {
	levels := make([]int32, len(points))
	if math.IsInf(h, 0) || math.IsNaN(h) {
		return levels
	}
	for i, t := range points {
		levels[i] = int32(math.RoundToEven(Density(sample, h, t) / LevelUnit(h)))
	}
	return levels
}

func checkLevels(t interface{ Fatalf(string, ...any) }, e *Estimator, sample []float32, h float64, k int) {
	points, levels := make([]float64, k), make([]int32, k)
	Grid(points, sample[0], sample[len(sample)-1])
	e.Levels(levels, points, sample, h)
	want := naiveLevels(points, sample, h)
	for i := range levels {
		if levels[i] != want[i] {
			t.Fatalf("n=%d k=%d h=%g: level of point %d is %d, want %d", len(sample), k, h, i, levels[i], want[i])
		}
	}
}

func TestLevels(t *testing.T) {
	var e Estimator
	for name, x := range samples() {
		t.Run(name, func(t *testing.T) {
			_, sigma := Moments(x)
			h := Bandwidth(sigma, len(x))
			for _, k := range []int{1, 2, len(x) / 10, len(x) / 2, len(x)} {
				checkLevels(t, &e, x, h, k)
			}
			if !math.IsInf(h, 0) && h > 0 {
				// Far too wide, and so narrow that the number of boxes is exceeded.
				checkLevels(t, &e, x, 1e3*h, len(x)/3)
				checkLevels(t, &e, x, 1e-4*h, len(x)/3)
			}
		})
	}
}

// TestLevelsProperty draws any sorted row and any bandwidth in proportion to it.
func TestLevelsProperty(t *testing.T) {
	var e Estimator
	rapid.Check(t, func(t *rapid.T) {
		scale := float32(math.Ldexp(1, rapid.IntRange(-40, 40).Draw(t, "exponent")))
		x := rapid.SliceOfN(rapid.Float32Range(-1, 1), 2, 200).Draw(t, "x")
		for i := range x {
			x[i] *= scale
		}
		slices.Sort(x)
		if x[0] == x[len(x)-1] {
			t.Skip("constant")
		}
		width := float64(x[len(x)-1]) - float64(x[0])
		h := width * rapid.Float64Range(0.002, 3).Draw(t, "h")
		checkLevels(t, &e, x, h, rapid.IntRange(1, 60).Draw(t, "k"))
	})
}

// TestDensity compares with a mixture of normal distributions, which is the definition.
func TestDensity(t *testing.T) {
	x := samples()["bimodal"]
	const h = 0.03
	for _, at := range []float64{-0.1, 0, 0.4999, 0.77, 1.2} {
		var want float64
		for _, v := range x {
			want += distuv.Normal{Mu: float64(v), Sigma: h}.Prob(at) / float64(len(x))
		}
		if got := Density(x, h, at); math.Abs(got-want) > 1e-12*want {
			t.Errorf("density at %g is %g, want %g", at, got, want)
		}
	}
}

func TestLevelUnit(t *testing.T) {
	for _, c := range []struct{ h, unit float64 }{
		{1, 1},
		{3.8e-10, 1},           // densities up to 1.05e9, below 2^30
		{3.7e-10, 2},           // up to 1.08e9
		{3.7e-10 / 1024, 2048}, // exactly 1024 times that
		{1e-40, math.Ldexp(1, 102)},
	} {
		if got := LevelUnit(c.h); got != c.unit {
			t.Errorf("LevelUnit(%g) = %g, want %g", c.h, got, c.unit)
		}
		if highest := peakDensity(c.h) / c.unit; highest > 1<<30 {
			t.Errorf("h=%g: levels up to %g", c.h, highest)
		}
	}
}

// allSeries returns both truncations of the transform by name.
func allSeries() map[string]*series { return map[string]*series{"coarse": coarse(), "fine": fine()} }

// TestTruncationBound checks for every distance that the bound holds for all pairs of
// offsets, and that it is tight enough: a loose bound would send points to the direct
// sum without need.
func TestTruncationBound(t *testing.T) {
	const rounding = 1e-15
	for name, s := range allSeries() {
		f := transform{series: s, boxes: s.reach + 1, total: 1}
		f.even, f.odd = make([]float64, s.columns()), make([]float64, s.columns())
		f.local = make([]float64, s.terms)
		for d := 0; d <= s.reach; d++ {
			var worst float64
			for a := -0.5; a <= 0.5; a += 1.0 / 32 {
				for _, side := range []int{-1, 1} {
					f.moments = make([]float64, (2*s.reach+1)*s.terms)
					m := f.moments[(s.reach-side*d)*s.terms:]
					for i := range s.terms {
						m[i] = math.Pow(a, float64(i))
					}
					bound := f.prepareBox(0)
					if want := s.truncation[d]; math.Abs(bound-want) > 1e-12*want {
						t.Fatalf("%s, distance %d: bound %g for one value, want %g", name, d, bound, want)
					}
					for b := -0.5; b <= 0.5; b += 1.0 / 32 {
						y := float64(side*d) + b - a
						worst = max(worst, math.Abs(f.evaluate(b)-math.Exp(-y*y/2)))
					}
				}
			}
			if worst > s.truncation[d]+rounding {
				t.Errorf("%s, distance %d: error %g exceeds the bound %g", name, d, worst, s.truncation[d])
			}
			if s.truncation[d] > 20*worst+rounding {
				t.Errorf("%s, distance %d: bound %g for an error of %g", name, d, s.truncation[d], worst)
			}
		}
		nearest := float64(s.reach) // from the end of a box to the start of the first one beyond reach
		if got := math.Exp(-nearest * nearest / 2); got > s.tail {
			t.Errorf("%s: a value further away than reach contributes %g, bound %g", name, got, s.tail)
		}
	}
}

// TestTransformBound checks that sums differ from direct sums by at most the bound.
func TestTransformBound(t *testing.T) {
	for name, x := range samples() {
		_, sigma := Moments(x)
		h := Bandwidth(sigma, len(x))
		if math.IsInf(h, 0) || h == 0 {
			continue
		}
		for seriesName, s := range allSeries() {
			var f transform
			f.computeMoments(s, x, 1/h)
			low := float64(x[0])
			for c := range f.boxes {
				bound := f.prepareBox(c) + f.roundingBound()
				for i := range 17 {
					at := low + (float64(c)+float64(i)/16)*h
					b := (at-low)*(1/h) - (float64(c) + 0.5) // rounded as at was
					want := Density(x, h, at) / peakDensity(h) * float64(len(x))
					if got := f.evaluate(b); math.Abs(got-want) > bound {
						t.Fatalf("%s, %s series: sum in box %d at %g is %g, want %g within %g", name, seriesName, c, b, got, want, bound)
					}
				}
			}
		}
	}
}

func TestLevelsAllocate(t *testing.T) {
	var e Estimator
	x := samples()["wide"]
	_, sigma := Moments(x)
	points, levels := make([]float64, 100), make([]int32, 100)
	Grid(points, x[0], x[len(x)-1])
	if n := testing.AllocsPerRun(10, func() { e.Levels(levels, points, x, Bandwidth(sigma, len(x))) }); n != 0 {
		t.Errorf("%g allocations a row", n)
	}
}

// BenchmarkLevels computes levels at half as many points as values, for rows of
// ordinary weights and for rows narrow enough for the fine series.
func BenchmarkLevels(b *testing.B) {
	for _, n := range []int{768, 3072} {
		for _, deviation := range []float64{0.04, 4e-6} {
			b.Run(fmt.Sprintf("n=%d/deviation=%g", n, deviation), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				x := sample(n, func(int) float64 { return deviation * r.NormFloat64() })
				points, levels := make([]float64, n/2), make([]int32, n/2)
				Grid(points, x[0], x[n-1])
				_, sigma := Moments(x)
				h := Bandwidth(sigma, n)
				var e Estimator
				for b.Loop() {
					e.Levels(levels, points, x, h)
				}
				if !slices.Equal(levels, naiveLevels(points, x, h)) {
					b.Fatal("levels differ from those of direct sums")
				}
			})
		}
	}
}
