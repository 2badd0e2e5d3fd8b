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
// what the file itself does not say, a row's columns where it is not in a
// bitmap of 16 rows, and the number of values where there are no positions.
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
	t.Name = b.Name // the same; thousands of deltas then share it
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
	switch {
	case m.Whole():
		return m.checkWhole(rows, columns)
	case m.Gaps != nil:
		return m.checkGaps(rows, columns)
	case m.Mask8 != nil:
		return m.checkMask8(rows, columns)
	}
	return m.checkMask16(rows, columns)
}

// checkLast compares the last stored tile with the base's rows, and returns how
// many of its rows the base has.
func (m *Masked) checkLast(rows int) (int, error) {
	last := m.Tiles[len(m.Tiles)-1]
	first := int(last) * m.Height
	if first >= rows {
		return 0, fmt.Errorf("%w: tile %d begins at row %d of %d", ErrPosition, last, first, rows)
	}
	return min(rows-first, m.Height), nil
}

func (m *Masked) checkMask16(rows, columns int) error {
	if m.Columns != columns {
		return fmt.Errorf("%w: a mask of %d columns, the base's row has %d", ErrShape, m.Columns, columns)
	}
	left, err := m.checkLast(rows)
	if err != nil {
		return err
	}
	for c, mask := range m.Mask16[len(m.Mask16)-columns:] {
		if mask>>left != 0 {
			return fmt.Errorf("%w: column %d keeps a value beyond the last row, %d", ErrPosition, c, rows-1)
		}
	}
	return nil
}

func (m *Masked) checkMask8(rows, columns int) error {
	stride := (columns + 7) / 8
	if stride != (m.Columns+7)/8 {
		return fmt.Errorf("%w: a mask of %d columns, the base's row has %d", ErrShape, m.Columns, columns)
	}
	m.Columns = columns
	if columns%8 != 0 {
		for t, tile := range m.Tiles {
			if m.Mask8[(t+1)*stride-1]>>(columns%8) != 0 {
				return fmt.Errorf("%w: row %d keeps a value beyond its %d columns", ErrPosition, tile, columns)
			}
		}
	}
	_, err := m.checkLast(rows)
	return err
}

func (m *Masked) checkGaps(rows, columns int) error {
	m.Columns = columns
	if m.deepest >= tileRows*columns {
		return fmt.Errorf("%w: position %d in a tile of %d rows of %d", ErrPosition, m.deepest, tileRows, columns)
	}
	left, err := m.checkLast(rows)
	if err != nil || left == tileRows {
		return err
	}
	m.each(len(m.Tiles)-1, func(_, r, c int) {
		if r >= left && err == nil {
			err = fmt.Errorf("%w: column %d keeps a value beyond the last row, %d", ErrPosition, c, rows-1)
		}
	})
	return err
}

func (m *Masked) checkWhole(rows, columns int) error {
	n := rows * columns
	if m.Coding.valueBytes(n) != m.Coding.valueBytes(m.kept) {
		return fmt.Errorf("%w: %d values for all of %d", ErrCount, m.kept, n)
	}
	m.kept, m.Columns = n, columns
	if len(m.Scales) != rows && len(m.Scales) != 1 && m.Coding.scaled() {
		return fmt.Errorf("%w of the scales: %d for %d rows", ErrShape, len(m.Scales), rows)
	}
	return m.checkTail()
}
