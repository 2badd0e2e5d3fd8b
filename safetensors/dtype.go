package safetensors

import "fmt"

// DType is the type of a tensor's elements, as written in the header.
type DType string

// The element types that kenserve reads and writes.
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

// Size returns the size of one element in bytes; 0 for an unknown type.
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

// Float reports whether the type is a float that converts to float32 without loss: F32,
// F16 or BF16.
func (d DType) Float() bool { return d == F32 || d == F16 || d == BF16 }

// MaxName is the length of the longest tensor name, in bytes.
const MaxName = 512

// maxRank is the largest number of dimensions of a tensor.
const maxRank = 8

// elements returns the number of elements of a shape. It refuses negative dimensions, more
// than maxRank dimensions, and shapes whose size in bytes overflows an int.
func elements(shape []int, size int) (int, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("%w: %d dimensions, at most %d", errShape, len(shape), maxRank)
	}
	const maxInt = int(^uint(0) >> 1)
	n, zero := 1, false
	for _, d := range shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("%w: negative dimension %d", errShape, d)
		case d == 0:
			zero = true
		case n > maxInt/size/d:
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
