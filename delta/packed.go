package delta

import (
	"encoding/binary"
	"fmt"
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
	case m.Coding == Float32:
		return p.float32s(out, m, base)
	case m.Coding == BFloat16:
		numbers := make([]uint16, len(m.BFloat16s))
		for i, v := range m.BFloat16s {
			numbers[i] = bits.RotateLeft16(v, -bfloat16Turn)
		}
		return appendPlanes(p, out, numbers)
	case m.Coding == Int8:
		return p.stream(out, safetensors.Bytes(m.Int8s))
	case m.Coding == Int4:
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

// ordered maps the bits of a float32 to a number that rises with it, −0 just
// below 0.
func ordered(b uint32) uint32 { return b ^ (uint32(int32(b)>>31) | 1<<31) }

// unordered is the inverse of ordered.
func unordered(u uint32) uint32 { return u ^ (uint32(int32(^u)>>31) | 1<<31) }

// zigzag maps numbers near zero, of either sign, to small ones.
func zigzag(d uint32) uint32   { return d<<1 ^ uint32(int32(d)>>31) }
func unzigzag(z uint32) uint32 { return z>>1 ^ -(z & 1) }

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

// widened returns the bits of the float32 with the value of a float16.
func widened(h uint16) uint32 {
	sign, x := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	if x-0x0400 < 0x7c00-0x0400 { // a normal number: the exponent has another bias
		return sign | (x<<13 + (127-15)<<23)
	}
	if x >= 0x7c00 { // infinity or NaN
		return sign | 0x7f800000 | x<<13
	}
	return sign | math.Float32bits(float32(x)*0x1p-24)
}

// keptPositions returns where stored tile t's kept values lie in it, row by row, in
// their order. It uses the room of out.
func keptPositions(m *sparse.Tensor, t int, out []uint32) []uint32 {
	columns := m.Columns
	switch {
	case m.Gaps != nil:
		code := m.Coding.GapCode()
		gaps := m.TileGaps(t)
		out = resize(out, len(gaps)+1)
		n, p := 0, -1
		for _, b := range gaps {
			// A skip leaves its place to the next gap.
			low := b & code.Low
			p += int(low) + 1
			at := uint32(p)
			if !m.RowMajor {
				at = uint32(p%sparse.TileRows*columns + p/sparse.TileRows)
			}
			out[n] = at
			if low == code.Skip {
				p--
			} else {
				n++
			}
		}
		return out[:n]
	case m.Mask16 != nil:
		masks := m.Mask16[t*columns : (t+1)*columns]
		out = resize(out, m.MaskCount(t))
		n := 0
		// Four columns at a time: the processor guesses wrong once for each
		// word that has no more bits.
		for c := 0; c < columns; c += 4 {
			var word uint64
			if rest := masks[c:]; len(rest) >= 4 {
				word = uint64(rest[0]) | uint64(rest[1])<<16 | uint64(rest[2])<<32 | uint64(rest[3])<<48
			} else {
				for i, mask := range rest {
					word |= uint64(mask) << (16 * i)
				}
			}
			for ; word != 0; word &= word - 1 {
				bit := bits.TrailingZeros64(word)
				out[n] = uint32(bit%sparse.TileRows*columns + c + bit/sparse.TileRows)
				n++
			}
		}
		return out
	case m.Mask8 != nil:
		stride := (columns + 7) / 8
		out = resize(out, m.MaskCount(t))
		n := 0
		for j, mask := range m.Mask8[t*stride : (t+1)*stride] {
			for ; mask != 0; mask &= mask - 1 {
				out[n] = uint32(8*j + bits.TrailingZeros8(mask))
				n++
			}
		}
		return out
	}
	out = resize(out, columns)
	for c := range out {
		out[c] = uint32(c)
	}
	return out
}

// unpack reads what [packer.tensor] wrote. Shapes are base's: nothing is allocated
// that is larger than they allow. The result is valid until the next call. What
// positions say is checked as far as it is used here; the rest is for who reads
// the fast layout.
func (d *decoder) unpack(data []byte, base *safetensors.Tensor) (*sparse.Tensor, error) {
	d.data = data
	m, err := d.masked(base)
	if err != nil {
		return nil, err
	}
	if len(d.data) > 0 {
		return nil, fmt.Errorf("%w: %d bytes behind it", ErrPacked, len(d.data))
	}
	return m, nil
}

func (d *decoder) masked(base *safetensors.Tensor) (*sparse.Tensor, error) {
	first, err := d.take(1)
	if err != nil {
		return nil, err
	}
	kind := first[0]
	if kind&packedCoding >= byte(len(sparse.Codings)) || kind&packedAll != 0 && kind&packedGaps == 0 || kind&packedBitmaps != 0 && kind&packedGaps != 0 ||
		kind&packedPerRow != 0 && !sparse.Codings[kind&packedCoding].Scaled() {
		return nil, fmt.Errorf("%w: kind %#x", ErrPacked, kind)
	}
	m := &sparse.Tensor{Coding: sparse.Codings[kind&packedCoding], RowMajor: kind&packedRowMajor != 0, Height: 1}
	rows, columns := base.Rows()
	m.Columns = columns
	if kind&packedGaps != 0 || kind&packedBitmaps != 0 && !m.RowMajor {
		m.Height = sparse.TileRows
	}
	if rows*columns == 0 || rows*columns > math.MaxUint32 {
		return nil, fmt.Errorf("%w: a tensor of %d × %d", ErrShape, rows, columns)
	}
	switch {
	case kind&packedGaps != 0:
		err = d.gapPositions(m, rows, kind&packedAll != 0)
	case kind&packedBitmaps != 0:
		err = d.bitmaps(m, rows)
	case !m.RowMajor:
		err = fmt.Errorf("%w: column order without positions", ErrPacked)
	}
	if err != nil {
		return nil, err
	}
	kept, tiles := m.Kept(), m.StoredTiles()
	if m.Whole() {
		kept, tiles = rows*columns, rows
	}
	if err := d.values(m, kept, base); err != nil {
		return nil, err
	}
	if !m.Coding.Scaled() {
		return m, nil
	}
	n := 1
	if kind&packedPerRow != 0 {
		n = tiles * m.Height
	}
	scales, err := d.numbers(n)
	if err != nil {
		return nil, err
	}
	m.Scales = make([]float32, n)
	for i, b := range scales {
		m.Scales[i] = math.Float32frombits(b)
	}
	return m, nil
}

// numbers reads n numbers from their planes.
func (d *decoder) numbers(n int) ([]uint32, error) {
	planes, err := d.planes(n, 4)
	if err != nil {
		return nil, err
	}
	out := make([]uint32, n)
	for i := range out {
		out[i] = uint32(planes[0][i]) | uint32(planes[1][i])<<8 | uint32(planes[2][i])<<16 | uint32(planes[3][i])<<24
	}
	return out, nil
}

// planes reads some streams of n bytes. They are valid until the next call.
func (d *decoder) planes(n, count int) ([4][]byte, error) {
	var planes [4][]byte
	d.buffer = resize(d.buffer, n*count)
	for i := range count {
		planes[i] = d.buffer[i*n : (i+1)*n : (i+1)*n]
		if err := d.stream(planes[i]); err != nil {
			return planes, err
		}
	}
	return planes, nil
}

// tiles reads the stored tiles of a tensor of so many rows.
func (d *decoder) tiles(m *sparse.Tensor, rows int) error {
	most := (rows + m.Height - 1) / m.Height
	n, err := d.number("tiles", most)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: no tiles", ErrPacked)
	}
	if m.Tiles, err = d.rising(n, most-1); err != nil {
		return err
	}
	m.Ends = make([]uint32, n)
	return nil
}

// rising reads n numbers of at most limit that were written as differences.
func (d *decoder) rising(n, limit int) ([]uint32, error) {
	numbers, err := d.numbers(n)
	if err != nil {
		return nil, err
	}
	next := uint64(0)
	for i, v := range numbers {
		next += uint64(v)
		if next > uint64(limit) {
			return nil, fmt.Errorf("%w: %d, at most %d", ErrPacked, next, limit)
		}
		numbers[i] = uint32(next)
		next++
	}
	return numbers, nil
}

func (d *decoder) bitmaps(m *sparse.Tensor, rows int) error {
	if err := d.tiles(m, rows); err != nil {
		return err
	}
	if m.RowMajor {
		stride := (m.Columns + 7) / 8
		d.where = resize(d.where, len(m.Tiles)*stride)
		m.Mask8 = d.where
		if err := d.stream(m.Mask8); err != nil {
			return err
		}
		if m.Columns%8 != 0 {
			for t := range m.Tiles {
				if m.Mask8[(t+1)*stride-1]>>(m.Columns%8) != 0 {
					return fmt.Errorf("%w: tile %d keeps a value beyond its %d columns", ErrPosition, m.Tiles[t], m.Columns)
				}
			}
		}
	} else {
		d.where = resize(d.where, 2*len(m.Tiles)*m.Columns)
		if err := d.stream(d.where); err != nil {
			return err
		}
		var err error
		if m.Mask16, err = safetensors.View[uint16](&safetensors.Tensor{DType: safetensors.U16, Shape: []int{len(d.where) / 2}, Data: d.where}); err != nil {
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

// checkRows refuses what the last stored tile keeps beyond the last row.
func checkRows(m *sparse.Tensor, rows int) error {
	t := len(m.Tiles) - 1
	left := rows - int(m.Tiles[t])*m.Height
	if left >= m.Height {
		return nil
	}
	for _, p := range keptPositions(m, t, nil) {
		if int(p) >= left*m.Columns {
			return fmt.Errorf("%w: row %d beyond the last, %d", ErrPosition, rows-left+int(p)/m.Columns, rows-1)
		}
	}
	return nil
}

// values reads so many values of any coding.
func (d *decoder) values(m *sparse.Tensor, kept int, base *safetensors.Tensor) error {
	switch m.Coding {
	case Float32:
		return d.exact(m, kept, base)
	case BFloat16:
		planes, err := d.planes(kept, 2)
		if err != nil {
			return err
		}
		d.bfloat16s = resize(d.bfloat16s, kept)
		m.BFloat16s = d.bfloat16s
		high := planes[1]
		for i, b := range planes[0] {
			m.BFloat16s[i] = bits.RotateLeft16(uint16(b)|uint16(high[i])<<8, bfloat16Turn)
		}
		return nil
	case Int8:
		d.bytes = resize(d.bytes, kept)
		if err := d.stream(d.bytes); err != nil {
			return err
		}
		var err error
		m.Int8s, err = safetensors.View[int8](&safetensors.Tensor{DType: safetensors.I8, Shape: []int{kept}, Data: d.bytes})
		return err
	case Int4:
		d.bytes = resize(d.bytes, Int4.ValueBytes(kept))
		m.Int4s = d.bytes
		return d.stream(m.Int4s)
	}
	if m.Gaps != nil {
		return nil
	}
	d.bytes = resize(d.bytes, Sign.ValueBytes(kept))
	m.Signs = d.bytes
	return d.stream(m.Signs)
}

// exact reads values of f32.
func (d *decoder) exact(m *sparse.Tensor, kept int, base *safetensors.Tensor) error {
	planes, err := d.planes(kept, 4)
	if err != nil {
		return err
	}
	d.float32s = resize(d.float32s, kept)
	m.Float32s = d.float32s
	i := 0
	for t := range m.StoredTiles() {
		first := m.TileIndex(t) * m.Height * m.Columns
		d.positions = keptPositions(m, t, d.positions)
		d.bases = resize(d.bases, len(d.positions))
		// A tile's values lie on lines all over it.
		if all := m.Height * m.Columns; m.Height > 1 && 128*len(d.positions) > all {
			d.touched += touch(base.Data, base.Len(), first, all)
		}
		orderedAt(d.bases, base, first, d.positions)
		bases := d.bases
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

// touch loads all lines of some elements one after the other, which the processor
// sees coming, so that loads here and there find them.
func touch(data []byte, elements, first, n int) (sum byte) {
	size := len(data) / elements
	for line := data[first*size : min(first+n, elements)*size]; len(line) > 0; line = line[min(64, len(line)):] {
		sum += line[0]
	}
	return sum
}

// orderedAt returns the ordered numbers of a base tensor's values, widened to
// float32, at positions behind first.
func orderedAt(dst []uint32, base *safetensors.Tensor, first int, positions []uint32) {
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
