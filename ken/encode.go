package ken

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kenserve/delta"
)

// encode makes the block's tiles of what was selected.
func (b *block) encode(o Options) error {
	words := maskWords(b.columns)
	for r := range b.rows {
		row, keep := b.row(r)
		if err := scaleChanges(row, o.Factor); err != nil {
			return err
		}
		n := 0
		for _, word := range keep {
			n += bits.OnesCount64(word)
		}
		b.selected.Add(int64(n))
		if b.masks != nil {
			packMask(b.masks[row.index*((b.columns+7)/8):], keep, b.columns)
		}
	}
	for r := 0; r < b.rows; r += b.height {
		last := min(r+b.height, b.rows)
		index := (b.firstRow + r) / b.height
		tile, err := delta.EncodeTile(b.coding, b.height, b.columns, index, b.keep[r*words:last*words], b.tuned[r*b.columns:last*b.columns], b.base[r*b.columns:last*b.columns])
		if err != nil {
			return err
		}
		b.tiles[index] = tile
	}
	return nil
}

// scaleChanges multiplies the changes of a row: tuned becomes
// base + factor·(tuned − base), each operation rounded to float32.
func scaleChanges(row rowPair, factor float64) error {
	if factor == 0 || factor == 1 {
		return nil
	}
	f := float32(factor)
	for j, b := range row.base {
		if change := row.tuned[j] - b; change != 0 {
			row.tuned[j] = b + float32(f*change)
		}
	}
	if err := findNonFinite(row.tuned, false); err != nil {
		return fmt.Errorf("row %d times %g: %w", row.index, factor, err)
	}
	return nil
}

// packMask writes the first n flags to dst, 8 a byte.
func packMask(dst []byte, keep []uint64, n int) {
	var word [8]byte
	for i := 0; i < (n+7)/8; i += 8 {
		binary.LittleEndian.PutUint64(word[:], keep[i/8])
		copy(dst[i:(n+7)/8], word[:])
	}
}
