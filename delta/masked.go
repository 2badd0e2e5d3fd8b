package delta

import (
	"math/bits"
	"slices"
)

// Masked is the sparse form of a tensor, as the package comment lays it out:
// which values are kept, and the values. The slices alias the file and must
// not be written.
//
// Positions are in one of three forms: bitmaps (Mask16 or Mask8 is set), gaps
// (Gaps is set) or none (all three are nil, and every value is kept).
type Masked struct {
	Coding Coding
	// RowMajor tells the order of values in a tile: row, column, for tensors
	// whose rows are looked up one by one; else column, row, as kernels walk a
	// panel.
	RowMajor bool
	Height   int // rows of a tile: 16, or 1 with Mask8 and without positions
	Columns  int // of the tensor; with Mask8, Gaps and neither settled by Check

	Tiles   []uint32 // [T] indices of the stored tiles; nil: all of them
	Ends    []uint32 // [T] values kept up to the end of the tile
	Mask16  []uint16 // [T, Columns], not RowMajor
	Mask8   []byte   // [T, ⌈Columns/8⌉], RowMajor
	Gaps    []byte   // with the signs in the top bits if the coding is sign
	GapEnds []uint32 // [T] bytes of Gaps up to the end of the tile

	// The values: one of these, by the coding.
	Float32s  []float32
	BFloat16s []uint16
	Int8s     []int8
	Int4s     []byte // two a byte, lower half first
	Signs     []byte // bit stream, least significant bit first; nil with Gaps

	// Scales, for int8, int4 and sign: one for the tensor, or [T, Height].
	Scales []float32

	kept    int
	deepest int // with Gaps: the last position that any tile keeps
}

// tileRows is the height of a tile, half a panel of the kernels.
const tileRows = 16

// Kept returns the number of kept values.
func (m *Masked) Kept() int { return m.kept }

// Whole tells whether every value of the tensor is kept.
func (m *Masked) Whole() bool { return m.Tiles == nil }

// start returns the index of stored tile t's first value.
func (m *Masked) start(t int) int {
	switch {
	case m.Whole():
		return t * m.Columns
	case t == 0:
		return 0
	}
	return int(m.Ends[t-1])
}

// gaps returns the gaps of stored tile t and the index of their first byte.
func (m *Masked) gaps(t int) ([]byte, int) {
	from := 0
	if t > 0 {
		from = int(m.GapEnds[t-1])
	}
	return m.Gaps[from:m.GapEnds[t]], from
}

// tileCount returns the number of stored tiles.
func (m *Masked) tileCount() int {
	if m.Whole() {
		return m.kept / max(m.Columns, 1)
	}
	return len(m.Tiles)
}

// tile returns the index of stored tile t.
func (m *Masked) tile(t int) int {
	if m.Whole() {
		return t
	}
	return int(m.Tiles[t])
}

// find returns where tile is among the stored ones, or would be.
func (m *Masked) find(tile int) (int, bool) {
	if m.Whole() {
		return tile, tile < m.tileCount()
	}
	return slices.BinarySearch(m.Tiles, uint32(tile))
}

// scale returns the scale of a row of stored tile t.
func (m *Masked) scale(t, row int) float32 {
	if len(m.Scales) == 1 {
		return m.Scales[0]
	}
	return m.Scales[t*m.Height+row]
}

// value returns kept value i, in the given row of stored tile t, over base. For
// signs among the gaps i counts bytes of Gaps.
func (m *Masked) value(i, t, row int, base float32) float32 {
	switch m.Coding {
	case Float32:
		return m.Float32s[i]
	case BFloat16:
		return bfloat16Value(base, m.BFloat16s[i])
	case Int8:
		return stepsValue(base, m.scale(t, row), m.Int8s[i])
	case Int4:
		return stepsValue(base, m.scale(t, row), nibble(m.Int4s, i))
	}
	if m.Gaps != nil {
		return signValue(base, m.scale(t, row), m.Gaps[i]>>7 == 1)
	}
	return signValue(base, m.scale(t, row), m.Signs[i>>3]>>(i&7)&1 == 1)
}

// each calls f for the kept values of stored tile t in stored order: i is what
// value wants, row counts in the tile.
func (m *Masked) each(t int, f func(i, row, column int)) {
	i := m.start(t)
	switch {
	case m.Gaps != nil:
		m.eachGap(t, f)
	case m.Mask16 != nil:
		for c, mask := range m.Mask16[t*m.Columns : (t+1)*m.Columns] {
			for ; mask != 0; mask &= mask - 1 {
				f(i, bits.TrailingZeros16(mask), c)
				i++
			}
		}
	case m.Mask8 != nil:
		stride := (m.Columns + 7) / 8
		for j, mask := range m.Mask8[t*stride : (t+1)*stride] {
			for ; mask != 0; mask &= mask - 1 {
				f(i, 0, 8*j+bits.TrailingZeros8(mask))
				i++
			}
		}
	default:
		for c := range m.Columns {
			f(i+c, 0, c)
		}
	}
}

func (m *Masked) eachGap(t int, f func(i, row, column int)) {
	code := m.Coding.gapCode()
	gaps, from := m.gaps(t)
	i := m.start(t)
	p := -1
	row, first := 0, 0 // RowMajor: of p, and the position where it begins
	for j, b := range gaps {
		gap := b & code.low
		p += int(gap)
		if gap == code.skip {
			continue
		}
		p++
		value := i
		if m.Coding == Sign {
			value = from + j
		}
		if m.RowMajor {
			for p-first >= m.Columns {
				row, first = row+1, first+m.Columns
			}
			f(value, row, p-first)
		} else {
			f(value, p%tileRows, p/tileRows)
		}
		i++
	}
}

// PatchRows puts the kept values of the rows first, first+1, … into dst, which
// holds the base's: [rows, Columns].
func (m *Masked) PatchRows(first int, dst []float32) {
	rows := len(dst) / max(m.Columns, 1)
	t, _ := m.find(first / m.Height)
	for ; t < m.tileCount() && m.tile(t)*m.Height < first+rows; t++ {
		at := m.tile(t)*m.Height - first // of the tile's first row in dst, negative if it begins before
		m.each(t, func(i, r, c int) {
			if r += at; r >= 0 && r < rows {
				p := &dst[r*m.Columns+c]
				*p = m.value(i, t, r-at, *p)
			}
		})
	}
}

// Keeps calls f for every kept position, tile by tile. It needs the columns
// that [Delta.Check] settles, and calls f for nothing before.
func (m *Masked) Keeps(f func(row, column int)) {
	if m.Columns == 0 {
		return
	}
	for t := range m.tileCount() {
		first := m.tile(t) * m.Height
		m.each(t, func(_, r, c int) { f(first+r, c) })
	}
}
