package sparse

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// The functions of this file look at all values when a delta is loaded, so they look
// at 8 bytes at a time, in lanes: a lane is a value. Each tells only whether there is
// such a value. Where there is one, the caller looks for it value by value.

// HasNotFinite reports whether a value is NaN or infinite.
func HasNotFinite(values []float32) bool {
	return hasOnes(bytesOf(values), 0x7f800000_7f800000, 0x00800000_00800000, 0x80000000_80000000)
}

// hasNotFinite16 does what HasNotFinite does, for bfloat16.
func hasNotFinite16(values []uint16) bool {
	return hasOnes(bytesOf(values), 0x7f80_7f80_7f80_7f80, 0x0080_0080_0080_0080, 0x8000_8000_8000_8000)
}

// hasOnes reports whether the bits under exponent are all 1 in some lane. least has
// the lowest of these bits of each lane, and top the highest bit of each lane, which
// is next to them: if all are 1, adding least carries into it.
func hasOnes(values []byte, exponent, least, top uint64) bool {
	var a, b uint64
	for ; len(values) >= 32; values = values[32:] {
		v := values[:32:32]
		a |= binary.NativeEndian.Uint64(v)&exponent + least
		b |= binary.NativeEndian.Uint64(v[8:])&exponent + least
		a |= binary.NativeEndian.Uint64(v[16:])&exponent + least
		b |= binary.NativeEndian.Uint64(v[24:])&exponent + least
	}
	for len(values) > 0 {
		var v [8]byte // filled with zeros after the last value, which are in no way special
		values = values[copy(v[:], values):]
		a |= binary.NativeEndian.Uint64(v[:])&exponent + least
	}
	return (a|b)&top != 0
}

// hasMinimum8 reports whether a byte is −128.
func hasMinimum8(values []int8) bool { return hasMinimum(bytesOf(values), 0x7f7f7f7f_7f7f7f7f) }

// hasMinimum4 reports whether a half byte is −8.
func hasMinimum4(values []byte) bool { return hasMinimum(values, 0x77777777_77777777) }

// hasMinimum reports whether some lane has its highest bit alone. low has all other
// bits of each lane: if one of them is 1, adding low carries into the highest one.
func hasMinimum(values []byte, low uint64) bool {
	var a, b uint64
	for ; len(values) >= 16; values = values[16:] {
		v := values[:16:16]
		x, y := binary.NativeEndian.Uint64(v), binary.NativeEndian.Uint64(v[8:])
		a |= x &^ (x&low + low)
		b |= y &^ (y&low + low)
	}
	for len(values) > 0 {
		var v [8]byte
		values = values[copy(v[:], values):]
		x := binary.NativeEndian.Uint64(v[:])
		a |= x &^ (x&low + low)
	}
	return (a|b)&^low != 0
}

// onesCount returns the number of bits of data that are 1.
func onesCount(data []byte) int {
	n := 0
	for ; len(data) >= 32; data = data[32:] {
		v := data[:32:32]
		n += bits.OnesCount64(binary.NativeEndian.Uint64(v)) + bits.OnesCount64(binary.NativeEndian.Uint64(v[8:])) +
			bits.OnesCount64(binary.NativeEndian.Uint64(v[16:])) + bits.OnesCount64(binary.NativeEndian.Uint64(v[24:]))
	}
	for _, b := range data {
		n += bits.OnesCount8(b)
	}
	return n
}

// bytesOf returns the memory of s.
func bytesOf[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}
