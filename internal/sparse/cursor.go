package sparse

import "math/bits"

// Each calls f for the kept values of stored tile i, in the order of storage.
// row counts from the tile's first row. value is the index of the value in its
// slice; for signs in the gaps it is the index of the byte in Gaps.
func (t *Tensor) Each(i int, f func(value, row, column int)) {
	value := t.ValueStart(i)
	switch {
	case t.Gaps != nil:
		t.eachGap(i, f)
	case t.Mask16 != nil:
		for c, mask := range t.Mask16[i*t.Columns : (i+1)*t.Columns] {
			for ; mask != 0; mask &= mask - 1 {
				f(value, bits.TrailingZeros16(mask), c)
				value++
			}
		}
	case t.Mask8 != nil:
		stride := (t.Columns + 7) / 8
		for j, mask := range t.Mask8[i*stride : (i+1)*stride] {
			for ; mask != 0; mask &= mask - 1 {
				f(value, 0, 8*j+bits.TrailingZeros8(mask))
				value++
			}
		}
	default:
		for c := range t.Columns {
			f(value+c, 0, c)
		}
	}
}

func (t *Tensor) eachGap(i int, f func(value, row, column int)) {
	code := t.Coding.GapCode()
	from, value := t.gapStart(i), t.ValueStart(i)
	p := -1
	row, first := 0, 0 // RowMajor: the row of p, and the position of its column 0
	for j, b := range t.TileGaps(i) {
		gap := b & code.Low
		p += int(gap)
		if gap == code.Skip {
			continue
		}
		p++
		at := value
		if t.Coding == Sign {
			at = from + j
		}
		if t.RowMajor {
			for p-first >= t.Columns {
				row, first = row+1, first+t.Columns
			}
			f(at, row, p-first)
		} else {
			f(at, p%TileRows, p/TileRows)
		}
		value++
	}
}

// Keeps calls f for every kept position, tile by tile; row counts from the
// tensor's first row. It needs Columns, which Check settles for some forms:
// while they are unknown it does nothing.
func (t *Tensor) Keeps(f func(row, column int)) {
	if t.Columns == 0 {
		return
	}
	for i := range t.StoredTiles() {
		first := t.TileIndex(i) * t.Height
		t.Each(i, func(_, r, c int) { f(first+r, c) })
	}
}
