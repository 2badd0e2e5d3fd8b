package delta

import (
	"fmt"
	"slices"
)

// Check compares the delta with its base: the fingerprint, and for every
// tensor the shape, which is the base's. Until it has succeeded nothing may be
// applied. fingerprint is that of base (see [Fingerprint]).
//
// A delta belongs to the base that it was checked against: Check also settles
// how many columns a masked tensor of height 1 has, which the file knows only
// to the byte.
func (d *Delta) Check(base Tensors, fingerprint string) error {
	if d.BaseSHA256 != fingerprint {
		return fmt.Errorf("delta: %w: made for %s (%s), this is %s", ErrBase, d.BaseSHA256, d.BaseName, fingerprint)
	}
	for i := range d.Tensors {
		t := &d.Tensors[i]
		if err := t.check(base); err != nil {
			return fmt.Errorf("delta: tensor %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Tensor) check(base Tensors) error {
	b, ok := base.Tensor(t.Name)
	if !ok {
		if t.Masked != nil {
			return ErrTensor
		}
		return nil // the head
	}
	if t.Dense != nil {
		if t.Dense.DType != "F32" {
			return fmt.Errorf("%w %s: a dense tensor of the base is F32", ErrDType, t.Dense.DType)
		}
		if !slices.Equal(t.Dense.Shape, b.Shape) {
			return fmt.Errorf("%w %v, the base's is %v", ErrShape, t.Dense.Shape, b.Shape)
		}
		return nil
	}
	m := t.Masked
	if !b.DType.Float() {
		return fmt.Errorf("%w: the base's is %s, only F32, F16 and BF16 can be masked", ErrDType, b.DType)
	}
	rows, columns := b.Rows()
	if m.Height == tableHeight {
		if (columns+7)/8 != (m.Columns+7)/8 {
			return fmt.Errorf("%w: a mask of %d columns, the base's row has %d", ErrShape, m.Columns, columns)
		}
		m.Columns = columns
		if stride := (columns + 7) / 8; columns%8 != 0 {
			for t, tile := range m.Tiles {
				if m.Mask8[(t+1)*stride-1]>>(columns%8) != 0 {
					return fmt.Errorf("%w: row %d keeps a value beyond its %d columns", ErrPosition, tile, columns)
				}
			}
		}
	}
	if m.Columns != columns {
		return fmt.Errorf("%w: a mask of %d columns, the base's row has %d", ErrShape, m.Columns, columns)
	}
	last := len(m.Tiles) - 1
	first := int(m.Tiles[last]) * m.Height // row
	if first >= rows {
		return fmt.Errorf("%w: tile %d begins at row %d of %d", ErrPosition, m.Tiles[last], first, rows)
	}
	if left := rows - first; left < m.Height {
		for c, mask := range m.Mask16[last*columns : (last+1)*columns] {
			if mask>>left != 0 {
				return fmt.Errorf("%w: column %d keeps a value beyond the last row, %d", ErrPosition, c, rows-1)
			}
		}
	}
	return nil
}
