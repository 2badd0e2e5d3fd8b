package delta

import (
	"math"

	"kenserve/internal/sparse"
)

// Coding is how a kept value is stored; the package comment specifies each.
type Coding = sparse.Coding

// The value codings of version 1.
const (
	Float32  = sparse.Float32  // exact
	BFloat16 = sparse.BFloat16 // the change from the base, rounded to bfloat16
	Int8     = sparse.Int8     // the change in 255 steps of a scale
	Int4     = sparse.Int4     // the change in 15 steps of a scale
	Sign     = sparse.Sign     // the change's sign, times a scale
)

// ParseCoding returns the coding called s.
func ParseCoding(s string) (Coding, error) { return sparse.ParseCoding(s) }

// fitScale returns a scale for changes that share it.
//
// For sign it is their mean magnitude, which is nearest to them in the sum of
// squares. For int8 the largest magnitude is 127 steps: nothing is cut off, and
// the error is far below what the other codings leave. For int4 it is a local
// minimum of the sum of squares, the best of those that are found from several
// beginnings by Lloyd's iteration: round to steps, then take the scale that is
// best for these steps. Against the largest magnitude in 7 steps this leaves a
// quarter less error where a row has its own scale, and half as much where a
// tensor has one.
func fitScale(c Coding, changes []float32) float32 {
	most, sum := 0.0, 0.0
	for _, x := range changes {
		a := math.Abs(float64(x))
		most, sum = max(most, a), sum+a
	}
	switch {
	case len(changes) == 0:
		return 0
	case c == Int8:
		return float32(most / sparse.MaxInt8)
	case c == Sign:
		return float32(sum / float64(len(changes)))
	}
	best, least := 0.0, math.Inf(1)
	for _, share := range [...]float64{1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3} {
		scale := share * most / sparse.MaxInt4
		for range 4 {
			if scale == 0 { // a subnormal too small to be divided
				break
			}
			// Σ(x − scale·q)² = Σx² − 2·scale·Σxq + scale²·Σq², whose minimum
			// over the scale is Σx² − (Σxq)²/Σq².
			xq, qq := 0.0, 0.0
			for _, x := range changes {
				a := math.Abs(float64(x))
				q := min(math.RoundToEven(a/scale), sparse.MaxInt4)
				xq += float64(a * q)
				qq += float64(q * q)
			}
			if qq == 0 {
				break
			}
			scale = xq / qq
			if e := -float64(xq*xq) / qq; e < least {
				best, least = scale, e
			}
		}
	}
	return float32(best)
}

// quantize returns the step nearest to change, ties to even.
func quantize(c Coding, change, scale float32) int8 {
	if scale == 0 {
		return 0
	}
	most := float64(sparse.MaxInt8)
	if c == Int4 {
		most = sparse.MaxInt4
	}
	return int8(min(max(math.RoundToEven(float64(change)/float64(scale)), -most), most))
}

// toBFloat16 rounds to the nearest bfloat16, ties to even.
func toBFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
