package ken

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kenserve/delta"
)

// encode applies the factor to the selected values of the block and encodes its
// tiles.
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

// scaleChanges sets the row's tuned weights to base + factor·(tuned − base), with
// every operation rounded to float32. A factor of 0 or 1 changes nothing.
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
		return fmt.Errorf("row %d with its changes multiplied by %g: %w", row.index, factor, err)
	}
	return nil
}

// packMask writes the first n flags of a mask to dst, 8 a byte, least significant
// bit first.
func packMask(dst []byte, keep []uint64, n int) {
	var word [8]byte
	for i := 0; i < (n+7)/8; i += 8 {
		binary.LittleEndian.PutUint64(word[:], keep[i/8])
		copy(dst[i:(n+7)/8], word[:])
	}
}
