package delta

import (
	"fmt"
	"math"
)

// Coding is how a kept value is stored; the package comment gives each one's
// meaning.
type Coding string

// The value codings of version 1.
const (
	Float32  Coding = "f32"  // exact
	BFloat16 Coding = "bf16" // the change from the base, rounded to bfloat16
	Int8     Coding = "int8" // the change in 255 steps of a scale
	Int4     Coding = "int4" // the change in 15 steps of a scale
	Sign     Coding = "sign" // the change's sign, times a scale
)

// codings lists them from the widest to the narrowest.
var codings = []Coding{Float32, BFloat16, Int8, Int4, Sign}

// ParseCoding returns the coding called s.
func ParseCoding(s string) (Coding, error) {
	for _, c := range codings {
		if s == string(c) {
			return c, nil
		}
	}
	return "", fmt.Errorf("%w %q: %v are known", ErrCoding, s, codings)
}

// scaled tells whether the coding has scales.
func (c Coding) scaled() bool { return c == Int8 || c == Int4 || c == Sign }

// bits returns the bits that a value takes.
func (c Coding) bits() int {
	switch c {
	case Float32:
		return 32
	case BFloat16:
		return 16
	case Int8:
		return 8
	case Int4:
		return 4
	}
	return 1
}

// valueBytes returns the bytes of n values.
func (c Coding) valueBytes(n int) int { return (n*c.bits() + 7) / 8 }

// The largest steps of the integer codings.
const (
	maxInt8 = 127
	maxInt4 = 7
)

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
func (c Coding) fitScale(changes []float32) float32 {
	most, sum := 0.0, 0.0
	for _, x := range changes {
		a := math.Abs(float64(x))
		most, sum = max(most, a), sum+a
	}
	switch {
	case len(changes) == 0:
		return 0
	case c == Int8:
		return float32(most / maxInt8)
	case c == Sign:
		return float32(sum / float64(len(changes)))
	}
	best, least := 0.0, math.Inf(1)
	for _, share := range [...]float64{1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3} {
		scale := share * most / maxInt4
		for range 4 {
			if scale == 0 { // a subnormal too small to be divided
				break
			}
			// Σ(x − scale·q)² = Σx² − 2·scale·Σxq + scale²·Σq², whose minimum
			// over the scale is Σx² − (Σxq)²/Σq².
			xq, qq := 0.0, 0.0
			for _, x := range changes {
				a := math.Abs(float64(x))
				q := min(math.RoundToEven(a/scale), maxInt4)
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
func (c Coding) quantize(change, scale float32) int8 {
	if scale == 0 {
		return 0
	}
	most := float64(maxInt8)
	if c == Int4 {
		most = maxInt4
	}
	return int8(min(max(math.RoundToEven(float64(change)/float64(scale)), -most), most))
}

// toBFloat16 rounds to the nearest bfloat16, ties to even.
func toBFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// The definitions of the codings. The conversions keep the compiler from fusing
// product and sum.

func bfloat16Value(base float32, change uint16) float32 {
	return base + math.Float32frombits(uint32(change)<<16)
}

func stepsValue(base, scale float32, q int8) float32 { return base + float32(scale*float32(q)) }

func signValue(base, scale float32, up bool) float32 {
	if up {
		return base + scale
	}
	return base - scale
}

// nibble returns int4 value i of a stream, two a byte, the lower half first.
func nibble(stream []byte, i int) int8 { return int8(stream[i>>1]>>(i&1*4)<<4) >> 4 }
