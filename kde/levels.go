package kde

import "math"

// Density returns the Gaussian kernel density of the sample at t by direct
// summation in the sample's order.
func Density(sample []float32, h, t float64) float64 {
	var sum float64
	for _, v := range sample {
		z := (t - float64(v)) / h
		sum += math.Exp(float64(-0.5 * float64(z*z)))
	}
	return float64(sum*peakDensity(h)) / float64(len(sample))
}

// peak returns the density at a lone value: no density is higher.
func peakDensity(h float64) float64 { return 1 / (h * math.Sqrt(2*math.Pi)) }

// LevelUnit returns the density that one level of [Estimator.Levels] stands
// for: 1, unless the bandwidth is so small that densities can exceed 2³⁰. It
// is then the power of two that keeps levels at 2³⁰ or below.
func LevelUnit(h float64) float64 {
	const maxLevel = 1 << 30
	if p := peakDensity(h); p > maxLevel {
		_, exponent := math.Frexp(p / maxLevel)
		return math.Ldexp(1, exponent)
	}
	return 1
}

// An Estimator computes levels. It owns the scratch memory for it, which grows
// to the largest row it has seen, and serves one goroutine at a time. The zero
// value is ready.
type Estimator struct {
	transform transform
}

// fineFrom is the product of the highest possible level, the points and the
// values from which on the fine series is less work than the rough one: with
// the rough one about one in a million of this product is kernels to sum
// directly, because the share of doubtful points grows with the level.
const fineThreshold = 1e10

// Levels sets levels[i] to the Gaussian kernel density of the sample at
// points[i], in multiples of [LevelUnit], rounded half to even.
//
// The sample rises, the points rise within its range, and h is positive. With an infinite or NaN bandwidth, which a standard deviation
// that overflows float32 leads to, all densities are below one half and all
// levels are 0.
func (e *Estimator) Levels(levels []int32, points []float64, sample []float32, h float64) {
	if math.IsInf(h, 0) || math.IsNaN(h) {
		clear(levels)
		return
	}
	low := float64(sample[0])
	inverse := 1 / h
	width := (float64(sample[len(sample)-1]) - low) * inverse
	unit := LevelUnit(h)
	perValue := peakDensity(h) / unit / float64(len(sample))

	// The standard deviation of n values bounds their range, and so the boxes,
	// unless squares underflowed. Without it, as many boxes as values bound
	// the memory.
	if !(width < float64(len(sample)*2+8)) {
		for i, t := range points {
			levels[i] = directLevel(sample, h, t, unit)
		}
		return
	}

	s := coarse()
	if highest := peakDensity(h) / unit; highest*float64(len(points))*float64(len(sample)) > fineThreshold {
		s = fine()
	}
	f := &e.transform
	f.computeMoments(s, sample, inverse)
	rounding := f.roundingBound()

	box := -1
	var middle, margin float64
	for i, t := range points {
		u := (t - low) * inverse
		if b := int(u); b != box {
			box = b
			middle = float64(b) + 0.5
			margin = 0.5 - (f.prepareBox(b)+rounding)*perValue
		}
		level := f.evaluate(u-middle) * perValue
		rounded := math.RoundToEven(level)
		if math.Abs(level-rounded) < margin {
			levels[i] = int32(rounded)
		} else {
			levels[i] = directLevel(sample, h, t, unit)
		}
	}
}

func directLevel(sample []float32, h, t, unit float64) int32 {
	return int32(math.RoundToEven(Density(sample, h, t) / unit))
}
