// Package diff compares the positions that two deltas of one base keep.
package diff

import (
	"fmt"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Report compares two deltas, A and B. A position is a weight of the base; one of a
// dense tensor counts as kept if its value differs from the base's.
type Report struct {
	Total   Overlap    `json:"total"`
	Tensors []*Overlap `json:"tensors"`
}

// Overlap compares the positions that two deltas keep of one tensor.
type Overlap struct {
	Name   string `json:"name,omitempty"`
	Size   int    `json:"size"`   // weights of the base
	Both   int    `json:"both"`   // kept by both deltas
	OnlyA  int    `json:"only_a"` // kept by one
	OnlyB  int    `json:"only_b"`
	Alike  int    `json:"alike"`  // kept by both and changed in the same direction
	Equal  int    `json:"equal"`  // kept by both and of the same value
	Chance int    `json:"chance"` // what two deltas that keep as many each by chance would share

	// Jaccard is the share of what both keep in what either keeps; Agreement
	// that of what changed in the same direction in what both keep.
	Jaccard   float64 `json:"jaccard"`
	Agreement float64 `json:"agreement"`

	chance float64
}

// Compare compares two deltas that were checked against the base.
func Compare(base delta.Tensors, a, b *delta.Delta) (*Report, error) {
	report := &Report{}
	for _, name := range base.Names() {
		inA, _ := a.Tensor(name)
		inB, _ := b.Tensor(name)
		if inA == nil && inB == nil {
			continue
		}
		t, _ := base.Tensor(name)
		if !t.DType.Float() {
			continue
		}
		o, err := compare(t, inA, inB)
		if err != nil {
			return nil, fmt.Errorf("diff: tensor %s: %w", name, err)
		}
		report.Tensors = append(report.Tensors, o)
		report.Total.add(o)
	}
	report.Total.finish()
	return report, nil
}

// compare goes through a tensor row by row. a or b may be nil: unchanged.
func compare(base *safetensors.Tensor, a, b *delta.Tensor) (*Overlap, error) {
	rows, columns := base.Rows()
	o := &Overlap{Name: base.Name, Size: rows * columns}
	const blockRows = 64
	var before, one, two []float32
	keptA, keptB := newKeeping(a, rows*columns), newKeeping(b, rows*columns)
	for first := 0; first < rows; first += blockRows {
		n := min(blockRows, rows-first) * columns
		if before == nil {
			before, one, two = make([]float32, n), make([]float32, n), make([]float32, n)
		}
		before, one, two = before[:n], one[:n], two[:n]
		if err := base.Float32s(before, first*columns); err != nil {
			return nil, err
		}
		if err := patched(one, before, a, first, columns); err != nil {
			return nil, err
		}
		if err := patched(two, before, b, first, columns); err != nil {
			return nil, err
		}
		for i, x := range before {
			inA, inB := keptA.at(first*columns+i, x, one[i]), keptB.at(first*columns+i, x, two[i])
			switch {
			case inA && inB:
				o.Both++
				if one[i] == two[i] {
					o.Equal++
				}
				if (one[i] > x) == (two[i] > x) && (one[i] < x) == (two[i] < x) {
					o.Alike++
				}
			case inA:
				o.OnlyA++
			case inB:
				o.OnlyB++
			}
		}
	}
	if o.Size > 0 {
		o.chance = float64(o.Both+o.OnlyA) * float64(o.Both+o.OnlyB) / float64(o.Size)
	}
	o.finish()
	return o, nil
}

// patched puts a delta's rows from first on into dst, over the base's.
func patched(dst, base []float32, t *delta.Tensor, first, columns int) error {
	copy(dst, base)
	switch {
	case t == nil:
	case t.Dense != nil:
		return t.Dense.Float32s(dst, first*columns)
	default:
		t.Masked.PatchRows(first, dst)
	}
	return nil
}

// keeping tells which positions of a tensor a delta keeps: those in its masks
// or, of a dense tensor, those that differ from the base.
type keeping struct {
	mask  []uint64
	dense bool
}

func newKeeping(t *delta.Tensor, n int) keeping {
	switch {
	case t == nil:
		return keeping{}
	case t.Dense != nil:
		return keeping{dense: true}
	}
	k := keeping{mask: make([]uint64, (n+63)/64)}
	columns := t.Masked.Columns
	t.Masked.Keeps(func(row, column int) {
		i := row*columns + column
		k.mask[i/64] |= 1 << (i % 64)
	})
	return k
}

func (k *keeping) at(i int, base, value float32) bool {
	if k.mask != nil {
		return k.mask[i/64]>>(i%64)&1 == 1
	}
	return k.dense && value != base
}

func (o *Overlap) add(t *Overlap) {
	o.Size += t.Size
	o.Both += t.Both
	o.OnlyA += t.OnlyA
	o.OnlyB += t.OnlyB
	o.Alike += t.Alike
	o.Equal += t.Equal
	o.chance += t.chance
}

// finish derives the shares from the counts.
func (o *Overlap) finish() {
	if either := o.Both + o.OnlyA + o.OnlyB; either > 0 {
		o.Jaccard = float64(o.Both) / float64(either)
	}
	if o.Both > 0 {
		o.Agreement = float64(o.Alike) / float64(o.Both)
	}
	o.Chance = int(o.chance + 0.5)
}
