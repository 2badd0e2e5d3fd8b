package delta

import (
	"errors"
	"fmt"
	"slices"
)

// Check compares the delta with its base: the fingerprint, and the shape of every
// tensor. fingerprint must be that of base (see [Fingerprint]). The delta must not
// be applied before Check has succeeded. Errors are [ErrBase] and [ErrCorrupt].
//
// The first Check that succeeds also settles facts that only the base has: the
// number of columns, unless bitmaps of 16 rows tell it, and the number of values of
// a tensor without positions. It writes to the delta, so nobody may use the delta
// meanwhile.
func (d *Delta) Check(base Tensors, fingerprint string) error {
	if err := d.CheckBase(fingerprint); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	if err := d.checkRows(base); err != nil {
		return fmt.Errorf("delta: %w: %w", ErrCorrupt, err)
	}
	for i := range d.Tensors {
		t := &d.Tensors[i]
		if err := t.check(base); err != nil {
			return fmt.Errorf("delta: %w: tensor %s: %w", ErrCorrupt, t.Name, err)
		}
	}
	return nil
}

// CheckBase returns [ErrBase] unless the delta's base has the given fingerprint.
func (i *Info) CheckBase(fingerprint string) error {
	if i.BaseSHA256 == fingerprint {
		return nil
	}
	return fmt.Errorf("%w: made for %s (%s), this base is %s", ErrBase, i.BaseSHA256, i.BaseName, fingerprint)
}

// check compares one tensor with the base.
func (t *Tensor) check(base Tensors) error {
	b, ok := base.Tensor(t.Name)
	if !ok {
		if t.Masked != nil {
			return errors.New("masked, but the base has no such tensor")
		}
		return nil // the head
	}
	if t.parts != nil {
		return errors.New("it has a shape of its own, but it is a tensor of the base")
	}
	t.Name = b.Name // the same string, so that thousands of deltas share one copy
	if t.Dense != nil {
		if t.Dense.DType != "F32" {
			return fmt.Errorf("dense in %s, a dense tensor of the base must be F32", t.Dense.DType)
		}
		if !slices.Equal(t.Dense.Shape, b.Shape) {
			return fmt.Errorf("shape %v, the base's is %v", t.Dense.Shape, b.Shape)
		}
		return nil
	}
	if !b.DType.Float() {
		return fmt.Errorf("masked, but the base's is %s: only F32, F16 and BF16 can be masked", b.DType)
	}
	rows, columns := b.Rows()
	return t.Masked.Check(rows, columns)
}
