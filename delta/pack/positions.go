package pack

import (
	"math/bits"

	"kenserve/internal/sparse"
)

// keptPositions returns the positions of the kept values of stored tile t, in the
// order of values. A position is row·Columns + column, where row counts from the
// tile's first row, so it is an offset in the base's data. The result reuses the
// memory of out.
//
// It repeats [sparse.Tensor.Each] without a call for each value, since unpacking
// exact values spends much of its time here.
func keptPositions(m *sparse.Tensor, t int, out []uint32) []uint32 {
	columns := m.Columns
	switch {
	case m.Gaps != nil:
		code := m.Coding.GapCode()
		gaps := m.TileGaps(t)
		out = resize(out, len(gaps)+1)
		n, p := 0, -1
		for _, b := range gaps {
			// A skip writes to out too, without a branch; the next gap overwrites it.
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
		// Four columns at a time: the processor mispredicts a branch once for each
		// word, when its last bit is gone, and not once for each column.
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
