package kde

import "math"

// Density returns the Gaussian kernel density of the sample at t, for the bandwidth h.
// It sums directly, in the order of the sample: the portable reference of
// [Estimator.Levels].
func Density(sample []float32, h, t float64) float64 {
	var sum float64
	for _, v := range sample {
		z := (t - float64(v)) / h
		sum += math.Exp(float64(-0.5 * float64(z*z)))
	}
	return float64(sum*peakDensity(h)) / float64(len(sample))
}

// peakDensity returns the density of a sample of one value at that value. No density
// of any sample is higher.
func peakDensity(h float64) float64 { return 1 / (h * math.Sqrt(2*math.Pi)) }

// LevelUnit returns the density that one level of [Estimator.Levels] stands for. It is
// 1, unless the bandwidth h is so small that densities can exceed 2³⁰; then it is the
// power of two that keeps levels at 2³⁰ or below.
func LevelUnit(h float64) float64 {
	const maxLevel = 1 << 30
	if p := peakDensity(h); p > maxLevel {
		_, exponent := math.Frexp(p / maxLevel)
		return math.Ldexp(1, exponent)
	}
	return 1
}

// An Estimator computes levels. It owns the scratch memory, which grows to the largest
// row so far, and must not be used by two goroutines at once. The zero value is ready
// to use.
type Estimator struct {
	transform transform
}

// fineThreshold is the product of the highest possible level, the number of points and
// the number of values from which on the fine series is less work than the coarse one.
// With the coarse one, about a millionth of this product is the number of kernels to
// sum directly, because the fraction of points whose integer is not certain grows
// with the level.
const fineThreshold = 1e10

// Levels sets levels[i] to the Gaussian kernel density of the sample at
// points[i], in multiples of [LevelUnit], rounded half to even.
//
// The sample is sorted, the points are sorted and within its range, and h is positive.
// An infinite or NaN h comes from a standard deviation that overflows float32; all
// densities are then below one half and all levels 0.
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

	// The standard deviation of n values bounds their range, and so the number of
	// boxes, unless squares underflowed. In that case the sums are direct, so that
	// the boxes never take more memory than about twice the values.
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

// directLevel returns the level of one point from the direct sum.
func directLevel(sample []float32, h, t, unit float64) int32 {
	return int32(math.RoundToEven(Density(sample, h, t) / unit))
}
