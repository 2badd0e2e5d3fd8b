package pack

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// The bits of the first byte of a packed tensor, its kind.
const (
	packedCoding   = 0x07 // mask of the index in sparse.Codings
	packedBitmaps  = 0x08
	packedGaps     = 0x10
	packedRowMajor = 0x20
	packedPerRow   = 0x40 // each row has a scale
	packedAll      = 0x80 // with gaps: every unit keeps something, see unitSize
)

// bfloat16Rotation is the number of bits by which the bits of a bfloat16 are
// rotated to the right before they are split into bytes. One byte then has the
// bits that are similar among changes, the last of the exponent and the first of
// the mantissa, and the other byte has noise.
const bfloat16Rotation = 3

// packer packs the tensors of one file in their order. It must be one packer for
// all of them, because a stream may use the code of an earlier one.
type packer struct {
	codes [][256]byte // code lengths of each byte, for all codes so far
}

// tensor packs a tensor of the base. Exact values are stored as differences from
// those of base.
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

// positions appends the positions of a tensor with the given number of rows. Signs
// in the gaps are among them. form has the bits of the kind that tell the form.
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

// values appends the values. Signs in the gaps are among the positions.
func (p *packer) values(out []byte, m *sparse.Tensor, base *safetensors.Tensor) []byte {
	switch {
	case m.Coding == sparse.Float32:
		return p.float32s(out, m, base)
	case m.Coding == sparse.BFloat16:
		numbers := make([]uint16, len(m.BFloat16s))
		for i, v := range m.BFloat16s {
			numbers[i] = bits.RotateLeft16(v, -bfloat16Rotation)
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

// tiles appends the number of stored tiles and their indices.
func (p *packer) tiles(out []byte, m *sparse.Tensor) []byte {
	out = binary.AppendUvarint(out, uint64(len(m.Tiles)))
	return appendPlanes(p, out, differences(m.Tiles))
}

// float32s appends exact values: each as the difference from the base's value,
// both mapped to integers by ordered.
func (p *packer) float32s(out []byte, m *sparse.Tensor, base *safetensors.Tensor) []byte {
	differences := make([]uint32, 0, len(m.Float32s))
	var kept, bases []uint32
	var values baseValues
	for t := range m.StoredTiles() {
		kept = keptPositions(m, t, kept)
		bases = resize(bases, len(kept))
		values.orderedAt(bases, base, m.TileIndex(t)*m.Height*m.Columns, m.Height*m.Columns, kept)
		for _, b := range bases {
			value := ordered(math.Float32bits(m.Float32s[len(differences)]))
			differences = append(differences, zigzag(value-b))
		}
	}
	return appendPlanes(p, out, differences)
}

// differences returns the first number of x, which rises strictly, and of each
// other number by how much it exceeds its predecessor plus one.
func differences(x []uint32) []uint32 {
	out := make([]uint32, len(x))
	next := uint32(0)
	for i, v := range x {
		out[i] = v - next
		next = v + 1
	}
	return out
}

// appendPlanes appends numbers as one stream of their lowest bytes, one of their
// second lowest bytes and so on.
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
