package sparse

import (
	"fmt"
	"math"
)

// Coding is how a kept value is stored.
type Coding string

// The codings. A kept value q means, over the base's value b and with scale s:
const (
	Float32  Coding = "f32"  // q itself, exact
	BFloat16 Coding = "bf16" // b + q, where q is a bfloat16
	Int8     Coding = "int8" // b + s·q, q in −127 … 127
	Int4     Coding = "int4" // b + s·q, q in −7 … 7
	Sign     Coding = "sign" // b + s or b − s
)

// Codings lists the codings from the widest to the narrowest. The index of a
// coding in it is part of the file format.
var Codings = [...]Coding{Float32, BFloat16, Int8, Int4, Sign}

// ParseCoding returns the coding called s.
func ParseCoding(s string) (Coding, error) {
	for _, c := range Codings {
		if s == string(c) {
			return c, nil
		}
	}
	return "", fmt.Errorf("unknown value coding %q, want one of %v", s, Codings)
}

// Scaled reports whether the coding has scales.
func (c Coding) Scaled() bool { return c == Int8 || c == Int4 || c == Sign }

// Bits returns the number of bits of a value.
func (c Coding) Bits() int {
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

// ValueBytes returns the number of bytes of n values.
func (c Coding) ValueBytes(n int) int { return (n*c.Bits() + 7) / 8 }

// The largest values of the integer codings.
const (
	MaxInt8 = 127
	MaxInt4 = 7
)

// The functions below define what a kept value makes of the base's. Product and
// sum are each rounded to float32: the conversions keep the compiler from fusing
// them, so that every machine gets the same bits.

// BFloat16Value returns base plus the bfloat16 with the given bits.
func BFloat16Value(base float32, change uint16) float32 {
	return base + math.Float32frombits(uint32(change)<<16)
}

// StepsValue returns base plus q steps of scale.
func StepsValue(base, scale float32, q int8) float32 { return base + float32(scale*float32(q)) }

// SignValue returns base plus scale if up is set, and base minus scale if not.
func SignValue(base, scale float32, up bool) float32 {
	if up {
		return base + scale
	}
	return base - scale
}

// Nibble returns int4 value i of a stream, two a byte, the lower half first.
func Nibble(stream []byte, i int) int8 { return int8(stream[i>>1]>>(i&1*4)<<4) >> 4 }

// value returns what kept value i, in the given row of a stored tile, makes of
// base. For signs in the gaps i is an index in Gaps.
func (t *Tensor) value(i, tile, row int, base float32) float32 {
	switch t.Coding {
	case Float32:
		return t.Float32s[i]
	case BFloat16:
		return BFloat16Value(base, t.BFloat16s[i])
	case Int8:
		return StepsValue(base, t.scale(tile, row), t.Int8s[i])
	case Int4:
		return StepsValue(base, t.scale(tile, row), Nibble(t.Int4s, i))
	}
	if t.Gaps != nil {
		return SignValue(base, t.scale(tile, row), t.Gaps[i]>>7 == 1)
	}
	return SignValue(base, t.scale(tile, row), t.Signs[i>>3]>>(i&7)&1 == 1)
}

// valueRoom returns the number of values for which the coding's slice has room.
func (t *Tensor) valueRoom() int {
	switch t.Coding {
	case Float32:
		return len(t.Float32s)
	case BFloat16:
		return len(t.BFloat16s)
	case Int8:
		return len(t.Int8s)
	case Int4:
		return 2 * len(t.Int4s)
	}
	return 8 * len(t.Signs)
}
