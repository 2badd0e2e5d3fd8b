package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Tensor is one array of a file. Data is little-endian and row-major. For a tensor of an
// open [File], Data aliases the memory map: it must not be written, nor used after Close.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
}

// Len returns the number of elements; 0 for an unknown type.
func (t *Tensor) Len() int {
	if size := t.DType.Size(); size > 0 {
		return len(t.Data) / size
	}
	return 0
}

// Rows returns the numbers of rows and columns of the tensor as a matrix. The last
// dimension is the columns, the others together are the rows; a tensor of fewer than two
// dimensions is one row.
func (t *Tensor) Rows() (rows, columns int) {
	if len(t.Shape) < 2 {
		return 1, t.Len()
	}
	columns = t.Shape[len(t.Shape)-1]
	if columns == 0 {
		return 0, 0
	}
	return t.Len() / columns, columns
}

// Float32s converts len(dst) elements, from number from on, to float32. The conversion
// from F32, F16 and BF16 is exact. Other types, and elements outside the tensor, are
// errors.
func (t *Tensor) Float32s(dst []float32, from int) error {
	if from < 0 || from > t.Len() || len(dst) > t.Len()-from {
		return fmt.Errorf("safetensors: tensor %s: cannot read elements %d to %d of %d", t.Name, from, from+len(dst), t.Len())
	}
	switch t.DType {
	case F32:
		b := t.Data[4*from:]
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case F16:
		b := t.Data[2*from:]
		for i := range dst {
			dst[i] = float16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case BF16:
		b := t.Data[2*from:]
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		}
	default:
		return fmt.Errorf("safetensors: tensor %s: cannot read %s as float32, want F32, F16 or BF16", t.Name, t.DType)
	}
	return nil
}

// float16 converts an IEEE 754 binary16 to float32.
func float16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent := uint32(h>>10) & 0x1f
	mantissa := uint32(h & 0x3ff)
	switch exponent {
	case 0: // zero or subnormal: mantissa · 2⁻²⁴ is exact in float32
		f := float32(mantissa) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}

// Number is an element type for [View] and [Bytes].
type Number interface {
	~float32 | ~int8 | ~uint8 | ~uint16 | ~uint32
}

// littleEndian reports whether the machine's byte order is that of the format.
var littleEndian = func() bool {
	x := uint16(1)
	return *(*byte)(unsafe.Pointer(&x)) == 1
}()

// View returns the elements of a tensor as a slice. It aliases Data if the machine's byte
// order and the alignment allow it, and is a copy otherwise; in both cases it must not be
// written. An element of the tensor must have the size of T, and the caller must have
// checked that the types match.
func View[T Number](t *Tensor) ([]T, error) {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if t.DType.Size() != size || len(t.Data)%size != 0 {
		return nil, fmt.Errorf("safetensors: tensor %s: cannot view %s as elements of %d bytes", t.Name, t.DType, size)
	}
	n := len(t.Data) / size
	if n == 0 {
		return nil, nil
	}
	p := unsafe.Pointer(unsafe.SliceData(t.Data))
	if littleEndian && uintptr(p)%uintptr(size) == 0 {
		return unsafe.Slice((*T)(p), n), nil
	}
	out := make([]T, n)
	to := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(out))), n*size)
	if littleEndian {
		copy(to, t.Data)
		return out, nil
	}
	for i := 0; i < len(to); i += size {
		for j := range size {
			to[i+j] = t.Data[i+size-1-j]
		}
	}
	return out, nil
}

// Bytes is the inverse of [View]: it returns the elements as the format stores them. The
// result aliases x if the machine's byte order allows it.
func Bytes[T Number](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	size := int(unsafe.Sizeof(x[0]))
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*size)
	if littleEndian {
		return b
	}
	out := make([]byte, len(b))
	for i := 0; i < len(b); i += size {
		for j := range size {
			out[i+j] = b[i+size-1-j]
		}
	}
	return out
}
