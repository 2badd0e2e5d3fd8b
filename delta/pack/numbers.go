package pack

import (
	"encoding/binary"
	"fmt"
	"math"

	"kenserve/safetensors"
)

// ordered maps the bits of a float32 to an integer, so that integers are in the
// order of the floats. −0 comes just below 0.
func ordered(b uint32) uint32 { return b ^ (uint32(int32(b)>>31) | 1<<31) }

// unordered is the inverse of ordered.
func unordered(u uint32) uint32 { return u ^ (uint32(int32(^u)>>31) | 1<<31) }

// zigzag maps d ≥ 0 to 2d and d < 0 to −2d − 1, so that numbers near zero become
// small ones.
func zigzag(d uint32) uint32 { return d<<1 ^ uint32(int32(d)>>31) }

// unzigzag is the inverse of zigzag.
func unzigzag(z uint32) uint32 { return z>>1 ^ -(z & 1) }

// widened returns the bits of the float32 that has the value of the float16 h.
func widened(h uint16) uint32 {
	sign, x := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	if x-0x0400 < 0x7c00-0x0400 { // a normal number: exponents of float32 have another bias
		return sign | (x<<13 + (127-15)<<23)
	}
	if x >= 0x7c00 { // infinity or NaN
		return sign | 0x7f800000 | x<<13
	}
	return sign | math.Float32bits(float32(x)*0x1p-24)
}

// baseValues looks values of the base up, widened to float32. It reuses its memory.
type baseValues struct{ rows []float32 }

// orderedAt sets dst[j] to the integer, as of ordered, of the base's value at offset
// first + positions[j]. Positions are below n. The base is a float tensor.
func (v *baseValues) orderedAt(dst []uint32, base *safetensors.Tensor, first, n int, positions []uint32) {
	if base.Data != nil {
		orderedData(dst, base, first, positions)
		return
	}
	v.rows = resize(v.rows, min(n, base.Len()-first))
	if err := base.Float32s(v.rows, first); err != nil { // the elements exist, so base was never read
		panic(fmt.Sprintf("pack: %v", err))
	}
	dst = dst[:len(positions)]
	for j, p := range positions {
		dst[j] = ordered(math.Float32bits(v.rows[p]))
	}
}

// orderedData does the same for a base whose bytes are in memory as its file has them.
func orderedData(dst []uint32, base *safetensors.Tensor, first int, positions []uint32) {
	dst = dst[:len(positions)]
	switch base.DType {
	case safetensors.F16:
		data := base.Data[2*first:]
		for j, p := range positions {
			dst[j] = ordered(widened(binary.LittleEndian.Uint16(data[2*int(p):])))
		}
	case safetensors.BF16:
		data := base.Data[2*first:]
		for j, p := range positions {
			dst[j] = ordered(uint32(binary.LittleEndian.Uint16(data[2*int(p):])) << 16)
		}
	default:
		data := base.Data[4*first:]
		for j, p := range positions {
			dst[j] = ordered(binary.LittleEndian.Uint32(data[4*int(p):]))
		}
	}
}

// prefetch loads one byte of each cache line of n elements from first on. The
// processor's own prefetcher follows this regular pattern, so that later loads in
// any order hit the cache. The caller must use the result, or the compiler drops
// the loads.
func prefetch(data []byte, elements, first, n int) (sum byte) {
	size := len(data) / elements
	for line := data[first*size : min(first+n, elements)*size]; len(line) > 0; line = line[min(64, len(line)):] {
		sum += line[0]
	}
	return sum
}
