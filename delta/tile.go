package delta

import (
	"fmt"
	"math"
	"math/bits"
)

// Tile is an encoded tile, to be handed to [Writer.Masked].
type Tile struct {
	index    int
	kept     int
	mask16   []uint16
	mask8    []byte
	float32s []float32
	int8s    []int8
	signs    []bool
	scales   []float32
}

// TileHeight returns the rows of a tile for a tensor of the given shape: 16
// for a matrix, 1 for a vector and, if table is set, for a matrix whose rows
// are looked up one by one.
func TileHeight(shape []int, table bool) int {
	if len(shape) < 2 || table {
		return tableHeight
	}
	return matrixHeight
}

// EncodeTile encodes tile number index of a tensor: up to height rows of
// columns values. keep has ⌈columns/64⌉ words a row, bit c%64 of word c/64 for
// column c; tuned and base are [rows, columns]. What the tuned row has in
// common with the base is not stored, kept or not.
func EncodeTile(coding Coding, height, columns, index int, keep []uint64, tuned, base []float32) (Tile, error) {
	words := (columns + 63) / 64
	rows := 0
	if columns > 0 {
		rows = len(tuned) / columns
	}
	t := Tile{index: index}
	if coding.scaled() {
		t.scales = make([]float32, height)
	}
	if height == matrixHeight {
		t.mask16 = make([]uint16, columns)
	} else {
		t.mask8 = make([]byte, (columns+7)/8)
	}
	var changes []float32
	for r := range rows {
		changes = changes[:0]
		for w, word := range keep[r*words : (r+1)*words] {
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
					if math.IsInf(float64(change), 0) {
						return Tile{}, fmt.Errorf("row %d, column %d: the change from %g to %g is no float32", index*height+r, c, b, v)
					}
					changes = append(changes, change)
				}
				t.kept++
				if t.mask16 != nil {
					t.mask16[c] |= 1 << r
				} else {
					t.mask8[c/8] |= 1 << (c % 8)
				}
			}
		}
		if coding.scaled() {
			t.scales[r] = coding.rowScale(changes)
		}
	}
	// Values go in the order column, row.
	put := func(r, c int) {
		v, b := tuned[r*columns+c], base[r*columns+c]
		switch coding {
		case Float32:
			t.float32s = append(t.float32s, v)
		case Int8:
			t.int8s = append(t.int8s, quantize(v-b, t.scales[r]))
		case Sign:
			t.signs = append(t.signs, v > b)
		}
	}
	for c, mask := range t.mask16 {
		for ; mask != 0; mask &= mask - 1 {
			put(bits.TrailingZeros16(mask), c)
		}
	}
	for j, mask := range t.mask8 {
		for ; mask != 0; mask &= mask - 1 {
			put(0, 8*j+bits.TrailingZeros8(mask))
		}
	}
	return t, nil
}

// Kept returns how many values the tile stores.
func (t *Tile) Kept() int { return t.kept }
