package pack

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// The first byte of a packed tensor.
const (
	packedCoding   = 0x07 // index in codings
	packedBitmaps  = 0x08
	packedGaps     = 0x10
	packedRowMajor = 0x20
	packedPerRow   = 0x40 // a scale for each row
	packedAll      = 0x80 // gaps: every unit keeps something
)

// bfloat16Turn is how far bfloat16 values are turned to the right before they
// are divided into bytes: then what is alike among changes, the last bits of
// the exponent and the first ones of the mantissa, is in one byte, and noise in
// the other.
const bfloat16Turn = 3

// packer writes packed tensors, one after the other: streams may use the codes
// of earlier ones.
type packer struct {
	codes [][256]byte // lengths of the codes of all streams so far
}

// tensor returns a tensor of the base in the small layout. The values of f32
// are written against those of base.
func (p *packer) tensor(m *sparse.Tensor, base *safetensors.Tensor) []byte {
	kind := byte(slices.Index(sparse.Codings[:], m.Coding))
	if m.RowMajor {
		kind |= packedRowMajor
	}
	if len(m.Scales) > 1 {
		kind |= packedPerRow
	}
	rows, _ := base.Rows()
	form, out := p.positions(nil, m, rows)
	out = append([]byte{kind | form}, out...)
	out = p.values(out, m, base)
	if m.Coding.Scaled() {
		scales := make([]uint32, len(m.Scales))
		for i, s := range m.Scales {
			scales[i] = math.Float32bits(s)
		}
		out = appendPlanes(p, out, scales)
	}
	return out
}

// positions appends which values are kept of a tensor of so many rows, with
// signs among gaps. The form is the part of the first byte that tells how.
func (p *packer) positions(out []byte, m *sparse.Tensor, rows int) (form byte, _ []byte) {
	switch {
	case m.Gaps != nil:
		out, all := p.gaps(out, m, rows)
		if all {
			return packedGaps | packedAll, out
		}
		return packedGaps, out
	case m.Mask16 != nil:
		return packedBitmaps, p.stream(p.tiles(out, m), safetensors.Bytes(m.Mask16))
	case m.Mask8 != nil:
		return packedBitmaps, p.stream(p.tiles(out, m), m.Mask8)
	}
	return 0, out
}

// values appends the values, but for signs among gaps.
func (p *packer) values(out []byte, m *sparse.Tensor, base *safetensors.Tensor) []byte {
	switch {
	case m.Coding == sparse.Float32:
		return p.float32s(out, m, base)
	case m.Coding == sparse.BFloat16:
		numbers := make([]uint16, len(m.BFloat16s))
		for i, v := range m.BFloat16s {
			numbers[i] = bits.RotateLeft16(v, -bfloat16Turn)
		}
		return appendPlanes(p, out, numbers)
	case m.Coding == sparse.Int8:
		return p.stream(out, safetensors.Bytes(m.Int8s))
	case m.Coding == sparse.Int4:
		return p.stream(out, m.Int4s)
	case m.Gaps == nil:
		return p.stream(out, m.Signs)
	}
	return out
}

// tiles writes the number of stored tiles and their indices.
func (p *packer) tiles(out []byte, m *sparse.Tensor) []byte {
	out = binary.AppendUvarint(out, uint64(len(m.Tiles)))
	return appendPlanes(p, out, differences(m.Tiles))
}

// float32s writes values as differences of ordered numbers from the base.
func (p *packer) float32s(out []byte, m *sparse.Tensor, base *safetensors.Tensor) []byte {
	differences := make([]uint32, 0, len(m.Float32s))
	var where, bases []uint32
	for t := range m.StoredTiles() {
		where = keptPositions(m, t, where)
		bases = resize(bases, len(where))
		orderedAt(bases, base, m.TileIndex(t)*m.Height*m.Columns, where)
		for _, b := range bases {
			value := ordered(math.Float32bits(m.Float32s[len(differences)]))
			differences = append(differences, zigzag(value-b))
		}
	}
	return appendPlanes(p, out, differences)
}

// differences returns what each number is above the one before it and one, the
// first one as it is.
func differences(x []uint32) []uint32 {
	out := make([]uint32, len(x))
	next := uint32(0)
	for i, v := range x {
		out[i] = v - next
		next = v + 1
	}
	return out
}

// appendPlanes writes numbers as streams, of their lowest bytes, of the next
// ones and so on.
func appendPlanes[T uint16 | uint32](p *packer, out []byte, x []T) []byte {
	plane := make([]byte, len(x))
	for shift := 0; T(1)<<shift != 0; shift += 8 {
		for i, v := range x {
			plane[i] = byte(v >> shift)
		}
		out = p.stream(out, plane)
	}
	return out
}
