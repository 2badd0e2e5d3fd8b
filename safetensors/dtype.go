package safetensors

import "fmt"

// DType names the type of a tensor's elements as the header spells it.
type DType string

// The element types of the format that kenserve reads and writes.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U64  DType = "U64"
	U32  DType = "U32"
	U16  DType = "U16"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// Size returns the bytes of one element, and 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F64, I64, U64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

// Float reports whether values of the type convert to float32 without loss.
func (d DType) Float() bool { return d == F32 || d == F16 || d == BF16 }

// The most dimensions and the longest name a tensor may have.
const (
	maxRank = 8
	MaxName = 512
)

// elements returns the product of shape, refusing negative dimensions, too
// many of them, and products beyond what an int holds in bytes.
func elements(shape []int, size int) (int, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("%w: %d dimensions, at most %d", errShape, len(shape), maxRank)
	}
	const most = int(^uint(0) >> 1)
	n, zero := 1, false
	for _, d := range shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("%w: negative dimension %d", errShape, d)
		case d == 0:
			zero = true
		case n > most/size/d:
			return 0, fmt.Errorf("%w: %v overflows", errShape, shape)
		default:
			n *= d
		}
	}
	if zero {
		return 0, nil
	}
	return n, nil
}
