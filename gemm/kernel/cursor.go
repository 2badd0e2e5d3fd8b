package kernel

import "kenserve/internal/sparse"

// TileCursor walks through one tile of a sparse tensor, in the order of a panel's
// rows: block of rows after block of rows, from the first input to the last. The
// tensor's positions and values have the same order, so the cursor only has to
// remember where it is. The zero value is that of a tile without kept values.
type TileCursor struct {
	tensor *sparse.Tensor // nil: the tile has no kept values
	column int            // the tile's first column in its panel: 0 or tileRows
	scales [tileRows]float32

	count int // kept values of the tile
	next  int // index of the next value in the tensor

	masks []uint16 // with masks: those of the remaining rows
	gaps  []byte   // with gaps: the remaining ones
	start int      // with gaps: the position of the next block's first row
	last  int      // with gaps: the position of the value before the next gap
}

// Start puts the cursor at the beginning of stored tile i of a tensor that was
// checked, for a matrix that is neither whole nor row-major.
func (t *TileCursor) Start(tensor *sparse.Tensor, i int) {
	t.tensor, t.column = tensor, int(tensor.Tiles[i])%2*tileRows
	t.next = tensor.ValueStart(i)
	t.count = int(tensor.Ends[i]) - t.next
	if tensor.Gaps != nil {
		t.gaps, t.start, t.last = tensor.TileGaps(i), 0, -1
	} else {
		t.masks = tensor.Mask16[i*tensor.Columns:][:tensor.Columns]
	}
	switch len(tensor.Scales) {
	case 0:
	case 1:
		for r := range t.scales {
			t.scales[r] = tensor.Scales[0]
		}
	default:
		copy(t.scales[:], tensor.Scales[i*tileRows:])
	}
}
