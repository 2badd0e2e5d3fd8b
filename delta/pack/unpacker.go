package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// unpacker unpacks the tensors of one file in their order. It must be one unpacker
// for all of them, because a stream may use the code of an earlier one. It reuses
// its memory from tensor to tensor.
type unpacker struct {
	data   []byte                        // the rest of the packed tensor
	tables [maxEarlierCodes]huffmanTable // of the latest codes; code i has table i % maxEarlierCodes
	codes  int                           // number of codes so far
	rares  [maxRareDepth]struct{ gaps, others []byte }

	buffer    []byte   // planes, or signs
	positions []uint32 // kept positions of a tile
	bases     []uint32 // the base's values at these positions, as of ordered
	baseValues
	sink      byte   // keeps the compiler from dropping prefetch loads
	unitGaps  []byte // gaps through all units
	usedUnits []byte // bit u%8 of byte u/8: unit u keeps something
	spans     []span

	// The slices of the last unpacked tensor.
	maskOrGaps []byte
	float32s   []float32
	bfloat16s  []uint16
	bytes      []byte // values of the other codings
}

// take returns the next n bytes.
func (u *unpacker) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.data)) {
		return nil, fmt.Errorf("truncated: %d bytes are missing", n-uint64(len(u.data)))
	}
	out := u.data[:n]
	u.data = u.data[n:]
	return out, nil
}

// number reads a number that must be at most limit. noun says in errors what it
// counts.
func (u *unpacker) number(noun string, limit int) (int, error) {
	n, k := binary.Uvarint(u.data)
	if k <= 0 {
		return 0, fmt.Errorf("truncated number of %s", noun)
	}
	u.data = u.data[k:]
	if n > uint64(limit) {
		return 0, fmt.Errorf("%d %s, at most %d", n, noun, limit)
	}
	return int(n), nil
}

// unpack unpacks a tensor of the base that [packer.tensor] has packed. Shapes come
// from base, so that damaged data cannot make it allocate more than a tensor of
// this shape needs. The result is valid until the next call. unpack checks
// positions only as far as it depends on them: whoever opens the fast file checks
// all of it.
func (u *unpacker) unpack(data []byte, base *safetensors.Tensor) (*sparse.Tensor, error) {
	u.data = data
	m, err := u.masked(base)
	if err != nil {
		return nil, err
	}
	if len(u.data) > 0 {
		return nil, fmt.Errorf("%d bytes after the end of the packed tensor", len(u.data))
	}
	return m, nil
}

// masked reads a packed tensor: kind, positions, values, scales.
func (u *unpacker) masked(base *safetensors.Tensor) (*sparse.Tensor, error) {
	first, err := u.take(1)
	if err != nil {
		return nil, err
	}
	kind := first[0]
	if kind&packedCoding >= byte(len(sparse.Codings)) || kind&packedAll != 0 && kind&packedGaps == 0 || kind&packedBitmaps != 0 && kind&packedGaps != 0 ||
		kind&packedPerRow != 0 && !sparse.Codings[kind&packedCoding].Scaled() {
		return nil, fmt.Errorf("invalid kind %#x of packed tensor", kind)
	}
	m := &sparse.Tensor{Coding: sparse.Codings[kind&packedCoding], RowMajor: kind&packedRowMajor != 0, Height: 1}
	rows, columns := base.Rows()
	m.Columns = columns
	if kind&packedGaps != 0 || kind&packedBitmaps != 0 && !m.RowMajor {
		m.Height = sparse.TileRows
	}
	if rows*columns == 0 || rows*columns > math.MaxUint32 {
		return nil, fmt.Errorf("the base's has %d × %d values, want 1 to 2³²−1", rows, columns)
	}
	switch {
	case kind&packedGaps != 0:
		err = u.gapPositions(m, rows, kind&packedAll != 0)
	case kind&packedBitmaps != 0:
		err = u.bitmaps(m, rows)
	case !m.RowMajor:
		err = errors.New("column order without positions")
	}
	if err != nil {
		return nil, err
	}
	kept, tiles := m.Kept(), m.StoredTiles()
	if m.Whole() {
		kept, tiles = rows*columns, rows
	}
	if err := u.values(m, kept, base); err != nil {
		return nil, err
	}
	if !m.Coding.Scaled() {
		return m, nil
	}
	n := 1
	if kind&packedPerRow != 0 {
		n = tiles * m.Height
	}
	scales, err := u.numbers(n)
	if err != nil {
		return nil, err
	}
	m.Scales = make([]float32, n)
	for i, b := range scales {
		m.Scales[i] = math.Float32frombits(b)
	}
	return m, nil
}

// tiles reads the indices of the stored tiles of a tensor with the given number of
// rows.
func (u *unpacker) tiles(m *sparse.Tensor, rows int) error {
	all := (rows + m.Height - 1) / m.Height
	n, err := u.number("tiles", all)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("no tiles")
	}
	if m.Tiles, err = u.rising(n, all-1); err != nil {
		return err
	}
	m.Ends = make([]uint32, n)
	return nil
}

// rising reads n strictly rising indices of tiles, which must be at most limit:
// the inverse of differences.
func (u *unpacker) rising(n, limit int) ([]uint32, error) {
	numbers, err := u.numbers(n)
	if err != nil {
		return nil, err
	}
	next := uint64(0)
	for i, v := range numbers {
		next += uint64(v)
		if next > uint64(limit) {
			return nil, fmt.Errorf("tile %d, at most %d", next, limit)
		}
		numbers[i] = uint32(next)
		next++
	}
	return numbers, nil
}

// bitmaps reads the positions of a tensor with bitmaps.
func (u *unpacker) bitmaps(m *sparse.Tensor, rows int) error {
	if err := u.tiles(m, rows); err != nil {
		return err
	}
	if m.RowMajor {
		stride := (m.Columns + 7) / 8
		u.maskOrGaps = resize(u.maskOrGaps, len(m.Tiles)*stride)
		m.Mask8 = u.maskOrGaps
		if err := u.stream(m.Mask8); err != nil {
			return err
		}
		if m.Columns%8 != 0 {
			for t := range m.Tiles {
				if m.Mask8[(t+1)*stride-1]>>(m.Columns%8) != 0 {
					return fmt.Errorf("row %d keeps a value after its last column, %d", m.Tiles[t], m.Columns-1)
				}
			}
		}
	} else {
		u.maskOrGaps = resize(u.maskOrGaps, 2*len(m.Tiles)*m.Columns)
		if err := u.stream(u.maskOrGaps); err != nil {
			return err
		}
		var err error
		if m.Mask16, err = safetensors.View[uint16](&safetensors.Tensor{DType: safetensors.U16, Shape: []int{len(u.maskOrGaps) / 2}, Data: u.maskOrGaps}); err != nil {
			return err
		}
	}
	kept := 0
	for t := range m.Tiles {
		kept += m.MaskCount(t)
		m.Ends[t] = uint32(kept)
	}
	return checkRows(m, rows)
}

// checkRows refuses values after the last row in the last stored tile.
func checkRows(m *sparse.Tensor, rows int) error {
	t := len(m.Tiles) - 1
	left := rows - int(m.Tiles[t])*m.Height
	if left >= m.Height {
		return nil
	}
	for _, p := range keptPositions(m, t, nil) {
		if int(p) >= left*m.Columns {
			return fmt.Errorf("row %d keeps a value, the last row is %d", rows-left+int(p)/m.Columns, rows-1)
		}
	}
	return nil
}

// values reads the values, as many as kept says.
func (u *unpacker) values(m *sparse.Tensor, kept int, base *safetensors.Tensor) error {
	switch m.Coding {
	case sparse.Float32:
		return u.exact(m, kept, base)
	case sparse.BFloat16:
		planes, err := u.planes(kept, 2)
		if err != nil {
			return err
		}
		u.bfloat16s = resize(u.bfloat16s, kept)
		m.BFloat16s = u.bfloat16s
		high := planes[1]
		for i, b := range planes[0] {
			m.BFloat16s[i] = bits.RotateLeft16(uint16(b)|uint16(high[i])<<8, bfloat16Rotation)
		}
		return nil
	case sparse.Int8:
		u.bytes = resize(u.bytes, kept)
		if err := u.stream(u.bytes); err != nil {
			return err
		}
		var err error
		m.Int8s, err = safetensors.View[int8](&safetensors.Tensor{DType: safetensors.I8, Shape: []int{kept}, Data: u.bytes})
		return err
	case sparse.Int4:
		u.bytes = resize(u.bytes, sparse.Int4.ValueBytes(kept))
		m.Int4s = u.bytes
		return u.stream(m.Int4s)
	}
	if m.Gaps != nil {
		return nil
	}
	u.bytes = resize(u.bytes, sparse.Sign.ValueBytes(kept))
	m.Signs = u.bytes
	return u.stream(m.Signs)
}

// exact reads exact values: the inverse of packer.float32s.
func (u *unpacker) exact(m *sparse.Tensor, kept int, base *safetensors.Tensor) error {
	planes, err := u.planes(kept, 4)
	if err != nil {
		return err
	}
	u.float32s = resize(u.float32s, kept)
	m.Float32s = u.float32s
	i := 0
	for t := range m.StoredTiles() {
		first := m.TileIndex(t) * m.Height * m.Columns
		u.positions = keptPositions(m, t, u.positions)
		u.bases = resize(u.bases, len(u.positions))
		// In column order the positions jump from row to row, and with one in 128
		// kept they touch most cache lines of the tile.
		all := m.Height * m.Columns
		if m.Height > 1 && 128*len(u.positions) > all && base.Data != nil {
			u.sink += prefetch(base.Data, base.Len(), first, all)
		}
		u.baseValues.orderedAt(u.bases, base, first, all, u.positions)
		bases := u.bases
		b0, b1, b2, b3 := planes[0][i:][:len(bases)], planes[1][i:][:len(bases)], planes[2][i:][:len(bases)], planes[3][i:][:len(bases)]
		out := m.Float32s[i:][:len(bases)]
		for j, b := range bases {
			z := uint32(b0[j]) | uint32(b1[j])<<8 | uint32(b2[j])<<16 | uint32(b3[j])<<24
			out[j] = math.Float32frombits(unordered(b + unzigzag(z)))
		}
		i += len(bases)
	}
	return nil
}

// numbers reads n numbers of 4 bytes in planes.
func (u *unpacker) numbers(n int) ([]uint32, error) {
	planes, err := u.planes(n, 4)
	if err != nil {
		return nil, err
	}
	out := make([]uint32, n)
	for i := range out {
		out[i] = uint32(planes[0][i]) | uint32(planes[1][i])<<8 | uint32(planes[2][i])<<16 | uint32(planes[3][i])<<24
	}
	return out, nil
}

// planes reads count ≤ 4 streams of n bytes. They are valid until the next call.
func (u *unpacker) planes(n, count int) ([4][]byte, error) {
	var planes [4][]byte
	u.buffer = resize(u.buffer, n*count)
	for i := range count {
		planes[i] = u.buffer[i*n : (i+1)*n : (i+1)*n]
		if err := u.stream(planes[i]); err != nil {
			return planes, err
		}
	}
	return planes, nil
}

// resize returns a slice of n elements with any content. It is x if x has the
// capacity.
func resize[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}
