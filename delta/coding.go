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
	Float32 Coding = "f32"  // exact
	Int8    Coding = "int8" // the change from the base in 255 steps of the row's scale
	Sign    Coding = "sign" // the change's sign, times the row's scale
)

// ParseCoding returns the coding called s.
func ParseCoding(s string) (Coding, error) {
	switch c := Coding(s); c {
	case Float32, Int8, Sign:
		return c, nil
	}
	return "", fmt.Errorf("%w %q: %s, %s and %s are known", ErrCoding, s, Float32, Int8, Sign)
}

// scaled tells whether the coding has a scale per row.
func (c Coding) scaled() bool { return c != Float32 }

// rowScale returns the scale for the changes that a row keeps: for int8 the
// largest magnitude in 127 steps; for sign their mean magnitude, which is
// nearest to them in the sum of squares.
func (c Coding) rowScale(changes []float32) float32 {
	if len(changes) == 0 {
		return 0
	}
	switch c {
	case Int8:
		most := 0.0
		for _, x := range changes {
			most = max(most, math.Abs(float64(x)))
		}
		return float32(most / 127)
	case Sign:
		sum := 0.0
		for _, x := range changes {
			sum += math.Abs(float64(x))
		}
		return float32(sum / float64(len(changes)))
	}
	return 0
}

// quantize returns the step nearest to change, ties to even.
func quantize(change, scale float32) int8 {
	if scale == 0 {
		return 0
	}
	return int8(min(max(math.RoundToEven(float64(change)/float64(scale)), -127), 127))
}

// int8Value and signValue are the definitions of the codings. The conversions
// keep the compiler from fusing product and sum.
func int8Value(base, scale float32, q int8) float32 { return base + float32(scale*float32(q)) }

func signValue(base, scale float32, up bool) float32 {
	if up {
		return base + scale
	}
	return base - scale
}
