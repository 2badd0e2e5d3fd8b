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
	if !b.DType.Float() {
		return fmt.Errorf("%w: the base's is %s, only F32, F16 and BF16 can be masked", ErrDType, b.DType)
	}
	rows, columns := b.Rows()
	return t.Masked.Check(rows, columns)
}
