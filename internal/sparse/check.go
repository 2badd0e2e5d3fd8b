package sparse

import (
	"errors"
	"fmt"
	"math"
)

// errInvalid is wrapped by the errors of [Tensor.Check] and [Tensor.CheckParts].
var errInvalid = errors.New("invalid sparse tensor")

// Check checks everything about the tensor: that its parts agree with each other
// (see [Tensor.CheckParts]) and with the base's tensor, a matrix of rows ×
// columns. After it has succeeded no position leads outside of the matrix and no
// index outside of the slices, so that kernels need not look again; Columns and
// the number of values are settled; and the tensor must not be changed any more.
//
// It writes to the tensor, so nobody else may use the tensor meanwhile. Once it
// has succeeded, further calls only read; those with another shape fail.
func (t *Tensor) Check(rows, columns int) error {
	if t.checked {
		if !t.CheckedFor(rows, columns) {
			return fmt.Errorf("%w: it was checked for %d × %d before, now %d × %d are wanted", errInvalid, t.rows, t.Columns, rows, columns)
		}
		return nil
	}
	if err := t.CheckParts(); err != nil {
		return err
	}
	var err error
	switch {
	case t.Whole():
		err = t.checkWhole(rows, columns)
	case t.Gaps != nil:
		err = t.checkGaps(rows, columns)
	case t.Mask8 != nil:
		err = t.checkMask8(rows, columns)
	case t.Mask16 != nil:
		err = t.checkMask16(rows, columns)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errInvalid, err)
	}
	t.rows, t.Columns, t.checked = rows, columns, true
	return nil
}

// CheckedFor reports whether Check has succeeded for a base of rows × columns.
func (t *Tensor) CheckedFor(rows, columns int) bool {
	return t.checked && t.rows == rows && t.Columns == columns
}

// CheckParts checks everything that can be checked without the base's shape:
// which parts there are, their sizes, the order of tiles, the number of
// positions of each tile, values and scales. [Tensor.Check] calls it too, unless
// it has succeeded before.
func (t *Tensor) CheckParts() error {
	if t.partsChecked {
		return nil
	}
	for _, check := range [...]func() error{t.checkForm, t.checkTiles, t.checkValues, t.checkScales} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", errInvalid, err)
		}
	}
	t.partsChecked = true
	return nil
}

// checkForm checks which parts there are, and their sizes.
func (t *Tensor) checkForm() error {
	if _, err := ParseCoding(string(t.Coding)); err != nil {
		return err
	}
	forms, height, rowMajor := 0, 1, true
	if t.Mask16 != nil {
		forms, height, rowMajor = forms+1, TileRows, false
	}
	if t.Mask8 != nil {
		forms++
	}
	if t.Gaps != nil {
		forms, height, rowMajor = forms+1, TileRows, t.RowMajor
	}
	tiles := len(t.Tiles)
	switch {
	case forms > 1:
		return fmt.Errorf("%d forms of positions, want at most one of 16-row masks, one-row masks and gaps", forms)
	case t.Whole() && (forms > 0 || len(t.Ends) > 0):
		return errors.New("positions without tiles")
	case tiles > 0 && forms == 0:
		return fmt.Errorf("%d tiles without positions", tiles)
	case t.Height < 1 || (forms > 0 || t.Whole()) && (t.Height != height || t.RowMajor != rowMajor):
		return fmt.Errorf("tiles of %d rows, row-major %v, want %d rows, row-major %v", t.Height, t.RowMajor, height, rowMajor)
	case len(t.Ends) != tiles:
		return fmt.Errorf("%d tiles with %d ends of values", tiles, len(t.Ends))
	case t.Gaps != nil && len(t.GapEnds) != tiles || t.Gaps == nil && len(t.GapEnds) > 0:
		return fmt.Errorf("%d tiles with %d ends of gaps", tiles, len(t.GapEnds))
	case t.Columns < 0:
		return fmt.Errorf("%d columns", t.Columns)
	case t.Mask16 != nil && len(t.Mask16) != tiles*t.Columns:
		return fmt.Errorf("%d masks for %d tiles of %d columns", len(t.Mask16), tiles, t.Columns)
	case t.Mask8 != nil && len(t.Mask8) != tiles*((t.Columns+7)/8):
		return fmt.Errorf("%d bytes of masks for %d rows of %d columns", len(t.Mask8), tiles, t.Columns)
	}
	return nil
}

// checkTiles checks the order of the stored tiles, and that each has as many
// values as positions.
func (t *Tensor) checkTiles() error {
	if t.Gaps != nil {
		before := uint32(0)
		for i, end := range t.GapEnds {
			if end <= before {
				return fmt.Errorf("the gaps of tile %d end at byte %d, those before at %d", t.Tiles[i], end, before)
			}
			before = end
		}
		if int64(before) != int64(len(t.Gaps)) {
			return fmt.Errorf("the gaps end at byte %d of %d", before, len(t.Gaps))
		}
	}
	for i, tile := range t.Tiles {
		if i > 0 && tile <= t.Tiles[i-1] {
			return fmt.Errorf("tile %d after tile %d", tile, t.Tiles[i-1])
		}
		values := int(t.Ends[i]) - t.ValueStart(i)
		if values <= 0 {
			return fmt.Errorf("tile %d has %d values", tile, values)
		}
		positions, err := t.countPositions(i)
		if err != nil {
			return fmt.Errorf("tile %d: %w", tile, err)
		}
		if positions != values {
			return fmt.Errorf("tile %d keeps %d positions, its index has %d values", tile, positions, values)
		}
	}
	return nil
}

// countPositions returns the number of positions that stored tile i keeps.
func (t *Tensor) countPositions(i int) (int, error) {
	if t.Gaps == nil {
		return t.MaskCount(i), nil
	}
	kept, last, err := t.Coding.GapCode().Scan(t.TileGaps(i))
	t.maxPosition = max(t.maxPosition, last)
	return kept, err
}

// checkValues checks the values: there are as many as positions, all in the
// slice of the coding, and all finite and in its range.
func (t *Tensor) checkValues() error {
	for _, other := range [...]struct {
		coding Coding
		n      int
	}{
		{Float32, len(t.Float32s)}, {BFloat16, len(t.BFloat16s)}, {Int8, len(t.Int8s)}, {Int4, len(t.Int4s)}, {Sign, len(t.Signs)},
	} {
		if other.n > 0 && (other.coding != t.Coding || t.SignsInGaps()) {
			return fmt.Errorf("values in %s in a tensor of %s", other.coding, t.Coding)
		}
	}
	switch t.Coding {
	case Float32:
		if !HasNotFinite(t.Float32s) {
			break
		}
		for i, v := range t.Float32s {
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("value %d is %g", i, v)
			}
		}
	case BFloat16:
		if !hasNotFinite16(t.BFloat16s) {
			break
		}
		for i, v := range t.BFloat16s {
			if v&0x7f80 == 0x7f80 {
				return fmt.Errorf("value %d is %g", i, BFloat16Value(0, v))
			}
		}
	case Int8:
		if !hasMinimum8(t.Int8s) {
			break
		}
		for i, q := range t.Int8s {
			if q == -MaxInt8-1 {
				return fmt.Errorf("value %d is %d, want at least %d", i, q, -MaxInt8)
			}
		}
	case Int4:
		if !hasMinimum4(t.Int4s) {
			break
		}
		for i, b := range t.Int4s {
			if b&15 == 8 || b>>4 == 8 {
				return fmt.Errorf("value %d or %d is %d, want at least %d", 2*i, 2*i+1, -MaxInt4-1, -MaxInt4)
			}
		}
	}
	if t.SignsInGaps() {
		return nil
	}
	room := t.valueRoom()
	if t.Whole() {
		if room == 0 {
			return errors.New("no values")
		}
		return nil
	}
	if want := t.Coding.ValueBytes(t.Kept()) * 8 / t.Coding.Bits(); room != want {
		return fmt.Errorf("the tiles keep %d values, there are %d", t.Kept(), room)
	}
	return t.checkTail(t.Kept())
}

// checkTail refuses bits after the last of n values.
func (t *Tensor) checkTail(n int) error {
	if t.Coding == Int4 && n%2 == 1 && t.Int4s[n/2]>>4 != 0 ||
		t.Coding == Sign && n%8 != 0 && t.Signs[n/8]>>(n%8) != 0 {
		return errors.New("bits after the last value are not 0")
	}
	return nil
}

// checkScales checks the number of scales, and that they are finite and not
// negative. Without positions the number of rows is known to Check alone.
func (t *Tensor) checkScales() error {
	n, perRow := len(t.Scales), len(t.Tiles)*t.Height
	switch {
	case !t.Coding.Scaled():
		if n > 0 {
			return fmt.Errorf("%d scales in a tensor of %s, which has none", n, t.Coding)
		}
	case t.Whole():
		if n == 0 {
			return errors.New("no scales")
		}
	case n != 1 && n != perRow:
		return fmt.Errorf("%d scales for %d tiles of %d rows, want 1 or %d", n, len(t.Tiles), t.Height, perRow)
	}
	for i, s := range t.Scales {
		if !(s >= 0 && s <= math.MaxFloat32) {
			return fmt.Errorf("scale %d is %g", i, s)
		}
	}
	return nil
}

// checkLastTile compares the last stored tile with the base's rows, and returns
// how many of the tile's rows the base has.
func (t *Tensor) checkLastTile(rows int) (int, error) {
	if len(t.Tiles) == 0 {
		return TileRows, nil
	}
	last := t.Tiles[len(t.Tiles)-1]
	first := int(last) * t.Height
	if first >= rows {
		return 0, fmt.Errorf("tile %d begins at row %d of %d", last, first, rows)
	}
	return min(rows-first, t.Height), nil
}

func (t *Tensor) checkMask16(rows, columns int) error {
	if t.Columns != columns {
		return fmt.Errorf("a mask of %d columns, the base's row has %d", t.Columns, columns)
	}
	left, err := t.checkLastTile(rows)
	if err != nil {
		return err
	}
	for c, mask := range t.Mask16[max(0, len(t.Mask16)-columns):] {
		if mask>>left != 0 {
			return fmt.Errorf("column %d keeps a value after the last row, %d", c, rows-1)
		}
	}
	return nil
}

func (t *Tensor) checkMask8(rows, columns int) error {
	stride := (columns + 7) / 8
	if stride != (t.Columns+7)/8 {
		return fmt.Errorf("a mask of %d columns, the base's row has %d", t.Columns, columns)
	}
	if columns%8 != 0 {
		for i, row := range t.Tiles {
			if t.Mask8[(i+1)*stride-1]>>(columns%8) != 0 {
				return fmt.Errorf("row %d keeps a value after its last column, %d", row, columns-1)
			}
		}
	}
	_, err := t.checkLastTile(rows)
	return err
}

func (t *Tensor) checkGaps(rows, columns int) error {
	if len(t.Tiles) > 0 && t.maxPosition >= TileRows*columns {
		return fmt.Errorf("position %d in a tile of %d rows of %d", t.maxPosition, TileRows, columns)
	}
	left, err := t.checkLastTile(rows)
	if err != nil || left == TileRows {
		return err
	}
	// A copy, because a tensor that is refused must stay as it was.
	last := *t
	last.Columns = columns
	last.Each(len(t.Tiles)-1, func(_, row, column int) {
		if row >= left && err == nil {
			err = fmt.Errorf("column %d keeps a value after the last row, %d", column, rows-1)
		}
	})
	return err
}

func (t *Tensor) checkWhole(rows, columns int) error {
	n := rows * columns
	if t.Coding.ValueBytes(n) != t.Coding.ValueBytes(t.valueRoom()) {
		return fmt.Errorf("%d values for all of %d", t.valueRoom(), n)
	}
	if t.Coding.Scaled() && len(t.Scales) != rows && len(t.Scales) != 1 {
		return fmt.Errorf("%d scales for %d rows", len(t.Scales), rows)
	}
	return t.checkTail(n)
}
