package delta

import (
	"fmt"
	"math"
	"math/bits"

	"kenserve/internal/sparse"
)

// Tile is a tile that [EncodeTile] has looked through, to be handed to
// [Writer.Masked].
type Tile struct {
	index    int
	selected int       // values that were to be kept
	kept     int       // those of them that differ from the base
	counts   []int     // of those, by row
	mask16   []uint16  // [columns], bit r: row r, for tiles of 16 rows
	mask8    []byte    // [⌈columns/8⌉], for tiles of one
	values   []float32 // in the order column, row: the tuned value for f32, else the change
	rows     int
}

// TileHeight returns the rows of a tile to encode for a tensor of the given
// shape: 16 for a matrix, 1 for a vector and, if table is set, for a matrix
// whose rows are looked up one by one.
func TileHeight(shape []int, table bool) int {
	if len(shape) < 2 || table {
		return 1
	}
	return sparse.TileRows
}

// EncodeTile encodes tile number index of a tensor: up to height rows of
// columns values. keep has ⌈columns/64⌉ words a row, bit c%64 of word c/64 for
// column c; tuned and base are [rows, columns]. What the tuned row has in
// common with the base is not stored, kept or not.
func EncodeTile(coding Coding, height, columns, index int, keep []uint64, tuned, base []float32) (Tile, error) {
	words := (columns + 63) / 64
	t := Tile{index: index, counts: make([]int, height)}
	if columns > 0 {
		t.rows = len(tuned) / columns
	}
	if height == sparse.TileRows {
		t.mask16 = make([]uint16, columns)
	} else {
		t.mask8 = make([]byte, (columns+7)/8)
	}
	for r := range t.rows {
		for w, word := range keep[r*words : (r+1)*words] {
			t.selected += bits.OnesCount64(word)
			for ; word != 0; word &= word - 1 {
				c := 64*w + bits.TrailingZeros64(word)
				v, b := tuned[r*columns+c], base[r*columns+c]
				if coding == Float32 {
					if math.Float32bits(v) == math.Float32bits(b) {
						continue
					}
				} else {
					change := v - b
					if change == 0 {
						continue
					}
					if math.IsInf(float64(change), 0) || coding == BFloat16 && toBFloat16(change)&0x7f80 == 0x7f80 {
						return Tile{}, fmt.Errorf("row %d, column %d: the change from %g to %g does not fit coding %s", index*height+r, c, b, v, coding)
					}
				}
				t.counts[r]++
				if t.mask16 != nil {
					t.mask16[c] |= 1 << r
				} else {
					t.mask8[c/8] |= 1 << (c % 8)
				}
			}
		}
		t.kept += t.counts[r]
	}
	t.values = make([]float32, 0, t.kept)
	for c, mask := range t.mask16 {
		for ; mask != 0; mask &= mask - 1 {
			t.values = append(t.values, tuned[bits.TrailingZeros16(mask)*columns+c])
		}
	}
	for j, mask := range t.mask8 {
		for ; mask != 0; mask &= mask - 1 {
			t.values = append(t.values, tuned[8*j+bits.TrailingZeros8(mask)])
		}
	}
	if coding != Float32 {
		n := 0
		t.each(func(r, c int) {
			t.values[n] -= base[r*columns+c]
			n++
		})
	}
	return t, nil
}

// each calls f for the positions of the tile's values, in their order.
func (t *Tile) each(f func(row, column int)) {
	for c, mask := range t.mask16 {
		for ; mask != 0; mask &= mask - 1 {
			f(bits.TrailingZeros16(mask), c)
		}
	}
	for j, mask := range t.mask8 {
		for ; mask != 0; mask &= mask - 1 {
			f(0, 8*j+bits.TrailingZeros8(mask))
		}
	}
}

// Kept returns how many values the tile was given that differ from the base.
// Those whose change is no step of a lossy coding are not stored all the same.
func (t *Tile) Kept() int { return t.kept }
