package delta

import (
	"math/bits"
	"sort"
)

// Masked is the sparse form of a tensor: the kept values of its tiles, as the
// package comment lays them out. The slices alias the file and must not be
// written.
type Masked struct {
	Coding  Coding   // which of the value slices is used
	Height  int      // rows of a tile: 16 or 1
	Columns int      // of the tensor
	Tiles   []uint32 // [T] indices of the stored tiles
	Ends    []uint32 // [T] values kept up to the end of the tile
	Mask16  []uint16 // [T, Columns], Height 16
	Mask8   []byte   // [T, ⌈Columns/8⌉], Height 1

	// Values in the order tile, column, row: one of these, by the coding.
	Float32s []float32
	Int8s    []int8
	Signs    []byte // bit stream, least significant bit first

	Scales []float32 // [T, Height] for int8 and sign
}

// Tile heights.
const (
	matrixHeight = 16 // 16 output rows: half a panel of the kernels
	tableHeight  = 1  // a row by itself, found by its index: embeddings, vectors
)

// Kept returns the number of kept values.
func (m *Masked) Kept() int {
	if len(m.Ends) == 0 {
		return 0
	}
	return int(m.Ends[len(m.Ends)-1])
}

// start returns the index of stored tile t's first value.
func (m *Masked) start(t int) int {
	if t == 0 {
		return 0
	}
	return int(m.Ends[t-1])
}

// value returns kept value i, in the given row of stored tile t, over base.
func (m *Masked) value(i, t, row int, base float32) float32 {
	switch m.Coding {
	case Float32:
		return m.Float32s[i]
	case Int8:
		return int8Value(base, m.Scales[t*m.Height+row], m.Int8s[i])
	default:
		return signValue(base, m.Scales[t*m.Height+row], m.Signs[i>>3]>>(i&7)&1 == 1)
	}
}

// each calls f for the kept values of stored tile t in stored order: i counts
// values through the whole tensor, row counts in the tile.
func (m *Masked) each(t int, f func(i, row, column int)) {
	i := m.start(t)
	if m.Height == matrixHeight {
		for c, mask := range m.Mask16[t*m.Columns : (t+1)*m.Columns] {
			for ; mask != 0; mask &= mask - 1 {
				f(i, bits.TrailingZeros16(mask), c)
				i++
			}
		}
		return
	}
	stride := (m.Columns + 7) / 8
	for j, mask := range m.Mask8[t*stride : (t+1)*stride] {
		for ; mask != 0; mask &= mask - 1 {
			f(i, 0, 8*j+bits.TrailingZeros8(mask))
			i++
		}
	}
}

// find returns where tile is among the stored ones.
func (m *Masked) find(tile int) (int, bool) {
	t := sort.Search(len(m.Tiles), func(i int) bool { return int(m.Tiles[i]) >= tile })
	return t, t < len(m.Tiles) && int(m.Tiles[t]) == tile
}

// PatchRow puts the kept values of one row into dst, which holds the base's
// row: [Columns].
func (m *Masked) PatchRow(row int, dst []float32) {
	t, ok := m.find(row / m.Height)
	if !ok {
		return
	}
	in := row % m.Height
	m.each(t, func(i, r, c int) {
		if r == in {
			dst[c] = m.value(i, t, r, dst[c])
		}
	})
}

// PatchRows puts the kept values of the rows first, first+1, … into dst, which
// holds the base's: [rows, Columns].
func (m *Masked) PatchRows(first int, dst []float32) {
	rows := len(dst) / max(m.Columns, 1)
	t, _ := m.find(first / m.Height)
	for ; t < len(m.Tiles) && int(m.Tiles[t])*m.Height < first+rows; t++ {
		at := int(m.Tiles[t])*m.Height - first // of the tile's first row in dst, negative if it begins before
		m.each(t, func(i, r, c int) {
			if r += at; r >= 0 && r < rows {
				p := &dst[r*m.Columns+c]
				*p = m.value(i, t, r-at, *p)
			}
		})
	}
}

// Keeps calls f for every kept position, tile by tile.
func (m *Masked) Keeps(f func(row, column int)) {
	for t := range m.Tiles {
		first := int(m.Tiles[t]) * m.Height
		m.each(t, func(_, r, c int) { f(first+r, c) })
	}
}
