package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unsafe"
)

// Tensor is one array of a file. Data is little-endian and row-major. For a tensor of an
// open [File], Data aliases the memory map: it must not be written, nor used after Close.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte // nil for a tensor of [FromValues] or of a [Stream]

	values Values // of FromValues
	place  *place // in the file of a Stream
}

// Values has the elements of a float tensor in another form than that of a file.
type Values interface {
	// Float32s writes the elements from number from on until dst is full. They are
	// within the tensor.
	Float32s(dst []float32, from int)
}

// FromValues returns a tensor of a float type without Data, whose elements are those of
// values. [Tensor.Float32s] and [Tensor.Write] give them as if Data were there.
func FromValues(name string, dtype DType, shape []int, values Values) *Tensor {
	return &Tensor{Name: name, DType: dtype, Shape: shape, values: values}
}

// Len returns the number of elements; 0 for an unknown type.
func (t *Tensor) Len() int {
	if t.values != nil || t.place != nil {
		n, _ := elements(t.Shape, t.DType.Size())
		return n
	}
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
		return fmt.Errorf("safetensors: tensor %s: read elements %d to %d: it has only %d", t.Name, from, from+len(dst), t.Len())
	}
	switch {
	case t.values != nil:
		t.values.Float32s(dst, from)
		return nil
	case t.place != nil:
		return fmt.Errorf("safetensors: tensor %s: its bytes were not read", t.Name)
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

// Write writes the bytes that a file has for the tensor.
func (t *Tensor) Write(w io.Writer) error {
	if t.place != nil {
		return fmt.Errorf("safetensors: tensor %s: its bytes were not read", t.Name)
	}
	if t.values == nil {
		_, err := w.Write(t.Data)
		return err
	}
	var block [4096]float32
	bytes := make([]byte, 0, 4*len(block))
	for from, n := 0, t.Len(); from < n; from += len(block) {
		part := block[:min(len(block), n-from)]
		t.values.Float32s(part, from)
		bytes = bytes[:0]
		for _, v := range part {
			switch b := math.Float32bits(v); t.DType {
			case F16:
				bytes = binary.LittleEndian.AppendUint16(bytes, toFloat16(b))
			case BF16:
				bytes = binary.LittleEndian.AppendUint16(bytes, uint16(b>>16))
			default:
				bytes = binary.LittleEndian.AppendUint32(bytes, b)
			}
		}
		if _, err := w.Write(bytes); err != nil {
			return err
		}
	}
	return nil
}

// toFloat16 is the inverse of float16: it takes the bits of a float32 that float16 gave.
func toFloat16(b uint32) uint16 {
	sign, exponent := uint16(b>>16)&0x8000, b>>23&0xff
	switch {
	case exponent == 0xff: // infinity or NaN
		return sign | 0x7c00 | uint16(b>>13)&0x3ff
	case exponent > 127-15: // normal
		return sign | uint16(b>>13-(127-15)<<10)&0x7fff
	}
	return sign | uint16(math.Abs(float64(math.Float32frombits(b)))*(1<<24)) // zero or subnormal
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
	if t.values != nil || t.place != nil {
		return nil, fmt.Errorf("safetensors: tensor %s: cannot view elements that are not in memory as a file has them", t.Name)
	}
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
