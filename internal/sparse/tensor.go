// Package sparse holds the sparse form of one weight tensor, the central idea of
// the product: a task keeps a few values of each tensor, and every other value
// is the base's.
//
// A [Tensor] has three parts: positions (which values are kept), values in a
// [Coding] (what they are, or how they differ from the base), and scales. Rows
// are grouped in tiles of [TileRows] rows, half a panel of the matrix kernels,
// and positions and values are stored tile by tile, in the order in which a
// kernel walks a panel. So the same slices serve the file format (package delta
// maps a file and points into it) and the kernels (package gemm applies them
// while it multiplies): nothing is copied or converted between the two. The
// package comment of delta specifies every part to the byte.
//
// A Tensor is made by filling its exported fields. [Tensor.Check] then compares
// all of them with each other and with the base's shape. A checked tensor must
// not be changed any more, and any number of goroutines may read it.
package sparse

import (
	"slices"
)

// TileRows is the number of rows of a tile: half a panel of the kernels.
const TileRows = 16

// Tensor is a matrix [rows, Columns] of which some values are kept. Its slices
// may point into a read-only memory map: no method writes to them.
//
// Positions have one of three forms: bitmaps (Mask16 or Mask8 is set), gaps
// (Gaps is set), or none, with every value kept (Tiles is nil).
type Tensor struct {
	// Coding says how values are stored, and so which slice has them.
	Coding Coding
	// RowMajor is the order of the values in a tile: by row and then by column,
	// for tensors whose rows are looked up one by one. Otherwise it is by column
	// and then by row, the order of a kernel's panel.
	RowMajor bool

	partsChecked bool // CheckParts has succeeded
	checked      bool // Check has succeeded, for rows × Columns

	// Height is the number of rows of a tile: TileRows with Mask16 and Gaps, 1
	// with Mask8 and without positions.
	Height int
	// Columns is the length of a row. Before Check it may be 0 with Gaps and
	// without positions, and may be rounded up to whole bytes with Mask8.
	Columns int

	Tiles   []uint32 // [T] indices of the stored tiles, strictly rising; nil: every value is kept
	Ends    []uint32 // [T] number of values up to the end of each tile, strictly rising
	Mask16  []uint16 // [T, Columns]; bit r of entry (t, c): row r of tile t keeps column c; not RowMajor
	Mask8   []byte   // [T, ⌈Columns/8⌉]; bit c%8 of byte (t, c/8): the row keeps column c; RowMajor
	Gaps    []byte   // distances between kept positions, see GapCode; with signs for the coding Sign
	GapEnds []uint32 // [T] bytes of Gaps up to the end of each tile, strictly rising

	// The values, in the slice of their coding. With n kept values:
	Float32s  []float32 // [n]
	BFloat16s []uint16  // [n] bits of bfloat16
	Int8s     []int8    // [n] in −127 … 127
	Int4s     []byte    // [⌈n/2⌉] two's complement in −7 … 7, two a byte, the lower half first
	Signs     []byte    // [⌈n/8⌉] bit stream, lowest bit first; nil with Gaps, which hold the signs

	// Scales has one scale for the tensor or, as [T, Height], one for each row of
	// each stored tile. It is empty for the codings Float32 and BFloat16.
	Scales []float32

	maxPosition int // with Gaps: the largest position that any tile keeps; set by CheckParts
	rows        int // that Check was called with
}

// Whole reports whether every value is kept, so that there are no positions.
func (t *Tensor) Whole() bool { return t.Tiles == nil }

// SignsInGaps reports whether the signs of the values are the top bits of Gaps:
// there are no values beside them.
func (t *Tensor) SignsInGaps() bool { return t.Coding == Sign && t.Gaps != nil }

// Kept returns the number of kept values. Without positions, and before Check,
// that is the number for which the values have room.
func (t *Tensor) Kept() int {
	switch {
	case !t.Whole():
		if n := len(t.Ends); n > 0 {
			return int(t.Ends[n-1])
		}
		return 0
	case t.checked:
		return t.rows * t.Columns
	}
	return t.valueRoom()
}

// StoredTiles returns T, the number of stored tiles; without positions, of rows.
func (t *Tensor) StoredTiles() int {
	switch {
	case !t.Whole():
		return len(t.Tiles)
	case t.checked:
		return t.rows
	}
	return t.valueRoom() / max(t.Columns, 1)
}

// TileIndex returns the index of stored tile i among all tiles of the tensor:
// its first row is TileIndex(i)·Height.
func (t *Tensor) TileIndex(i int) int {
	if t.Whole() {
		return i
	}
	return int(t.Tiles[i])
}

// findTile returns which stored tile has the given index, or else which would.
func (t *Tensor) findTile(index int) (int, bool) {
	if t.Whole() {
		return index, index < t.StoredTiles()
	}
	return slices.BinarySearch(t.Tiles, uint32(index))
}

// PanelTiles returns the stored tiles from first up to, but not including, end
// that belong to a panel of 2·TileRows rows: at most two. It is meant for
// tensors with Height TileRows.
func (t *Tensor) PanelTiles(panel int) (first, end int) {
	first = 2 * panel // where it is if all tiles before it are stored
	if first >= len(t.Tiles) || int(t.Tiles[first]) != first {
		first, _ = slices.BinarySearch(t.Tiles, uint32(2*panel))
	}
	end = first
	for end < len(t.Tiles) && int(t.Tiles[end])/2 == panel {
		end++
	}
	return first, end
}

// ValueStart returns the index of stored tile i's first value.
func (t *Tensor) ValueStart(i int) int {
	switch {
	case t.Whole():
		return i * t.Columns
	case i == 0:
		return 0
	}
	return int(t.Ends[i-1])
}

// gapStart returns the index in Gaps of stored tile i's first byte.
func (t *Tensor) gapStart(i int) int {
	if i == 0 {
		return 0
	}
	return int(t.GapEnds[i-1])
}

// TileGaps returns the gaps of stored tile i.
func (t *Tensor) TileGaps(i int) []byte { return t.Gaps[t.gapStart(i):t.GapEnds[i]] }

// MaskCount returns the number of values that the mask of stored tile i keeps.
func (t *Tensor) MaskCount(i int) int {
	if t.Mask16 != nil {
		return onesCount(bytesOf(t.Mask16[i*t.Columns : (i+1)*t.Columns]))
	}
	stride := (t.Columns + 7) / 8
	return onesCount(t.Mask8[i*stride : (i+1)*stride])
}

// Scale returns the scale of a row of stored tile i.
func (t *Tensor) scale(i, row int) float32 {
	if len(t.Scales) == 1 {
		return t.Scales[0]
	}
	return t.Scales[i*t.Height+row]
}
