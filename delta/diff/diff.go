// Package diff compares the positions that two deltas of one base keep: how many they
// share, and whether they changed the shared ones alike.
//
// A position is one weight of the base. A delta keeps the positions in its masks and,
// of a tensor that it stores whole, those whose value differs from the base's.
package diff

import (
	"fmt"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Report is the comparison of two deltas, A and B.
type Report struct {
	Total   Overlap    `json:"total"`   // sums over Tensors
	Tensors []*Overlap `json:"tensors"` // those of the base of which A or B keeps something, in the base's order

	// The digests of the tokenizers' files; empty: the base's tokenizer.
	TokenizerA string `json:"tokenizer_a,omitempty"`
	TokenizerB string `json:"tokenizer_b,omitempty"`
	// Resized are the tables with another number of rows than the base's in A or B, in the
	// base's order. The rows after the base's last are not compared.
	Resized []Resized `json:"resized,omitempty"`
}

// Resized is a table with another number of rows than the base's.
type Resized struct {
	Name string `json:"name"`
	Base int    `json:"base"` // rows in the base
	A    int    `json:"a"`    // rows in A
	B    int    `json:"b"`    // rows in B
}

// Overlap is the comparison for one tensor, or for all. Counts are positions.
type Overlap struct {
	Name          string `json:"name,omitempty"`
	Size          int    `json:"size"` // positions of the base's tensor
	Both          int    `json:"both"` // kept by A and B
	OnlyA         int    `json:"only_a"`
	OnlyB         int    `json:"only_b"`
	SameDirection int    `json:"alike"` // of Both, those that A and B changed in the same direction
	Equal         int    `json:"equal"` // of Both, those with the same value in A and B

	// ByChance is the expected value of Both for two independent random choices of as
	// many positions: kept by A · kept by B / Size.
	ByChance int `json:"chance"`

	// Jaccard is Both / (Both + OnlyA + OnlyB); Agreement is SameDirection / Both. A
	// share with a denominator of 0 is 0.
	Jaccard   float64 `json:"jaccard"`
	Agreement float64 `json:"agreement"`

	byChance float64 // before rounding
}

// Compare compares two deltas that have been checked against the base.
func Compare(base delta.Tensors, a, b *delta.Delta) (*Report, error) {
	report := &Report{TokenizerA: a.TokenizerDigest(), TokenizerB: b.TokenizerDigest()}
	for _, name := range base.Names() {
		if rowsA, rowsB := a.Rows[name], b.Rows[name]; rowsA != rowsB || rowsA != 0 {
			t, _ := base.Tensor(name)
			r := Resized{Name: name, Base: t.Shape[0], A: rowsA, B: rowsB}
			for _, rows := range []*int{&r.A, &r.B} {
				if *rows == 0 {
					*rows = r.Base
				}
			}
			report.Resized = append(report.Resized, r)
		}
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

// compare compares one tensor, a block of rows at a time, so that memory stays small. a
// or b may be nil, which means unchanged.
func compare(base *safetensors.Tensor, a, b *delta.Tensor) (*Overlap, error) {
	rows, columns := base.Rows()
	o := &Overlap{Name: base.Name, Size: rows * columns}
	const blockRows = 64
	block := min(blockRows, rows) * columns
	before, afterA, afterB := make([]float32, block), make([]float32, block), make([]float32, block)
	keptA, keptB := newKeptSet(a, rows*columns), newKeptSet(b, rows*columns)
	for first := 0; first < rows; first += blockRows {
		n := min(blockRows, rows-first) * columns
		before, afterA, afterB = before[:n], afterA[:n], afterB[:n]
		if err := base.Float32s(before, first*columns); err != nil {
			return nil, err
		}
		if err := patchRows(afterA, before, a, first, columns); err != nil {
			return nil, err
		}
		if err := patchRows(afterB, before, b, first, columns); err != nil {
			return nil, err
		}
		for i, x := range before {
			va, vb := afterA[i], afterB[i]
			inA, inB := keptA.has(first*columns+i, x, va), keptB.has(first*columns+i, x, vb)
			switch {
			case inA && inB:
				o.Both++
				if va == vb {
					o.Equal++
				}
				if (va > x) == (vb > x) && (va < x) == (vb < x) {
					o.SameDirection++
				}
			case inA:
				o.OnlyA++
			case inB:
				o.OnlyB++
			}
		}
	}
	if o.Size > 0 {
		o.byChance = float64(o.Both+o.OnlyA) * float64(o.Both+o.OnlyB) / float64(o.Size)
	}
	o.finish()
	return o, nil
}

// patchRows copies rows of the base to dst and applies the delta's tensor t, which may
// be nil, to them. dst and base are [rows, columns], row-major, from row first on.
func patchRows(dst, base []float32, t *delta.Tensor, first, columns int) error {
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

// keptSet is the set of positions of a tensor that a delta keeps.
type keptSet struct {
	bits  []uint64 // one for each position; nil if the delta has no masks for the tensor
	dense bool     // the delta stores the tensor whole
}

// newKeptSet returns the set for a tensor of n positions. t may be nil.
func newKeptSet(t *delta.Tensor, n int) keptSet {
	switch {
	case t == nil:
		return keptSet{}
	case t.Dense != nil:
		return keptSet{dense: true}
	}
	k := keptSet{bits: make([]uint64, (n+63)/64)}
	columns := t.Masked.Columns
	t.Masked.Keeps(func(row, column int) {
		i := row*columns + column
		k.bits[i/64] |= 1 << (i % 64)
	})
	return k
}

// has reports whether position i is kept, given its value in the base and in the delta.
func (k *keptSet) has(i int, base, value float32) bool {
	if k.bits != nil {
		return k.bits[i/64]>>(i%64)&1 == 1
	}
	return k.dense && value != base
}

func (o *Overlap) add(t *Overlap) {
	o.Size += t.Size
	o.Both += t.Both
	o.OnlyA += t.OnlyA
	o.OnlyB += t.OnlyB
	o.SameDirection += t.SameDirection
	o.Equal += t.Equal
	o.byChance += t.byChance
}

// finish computes the shares from the counts.
func (o *Overlap) finish() {
	if either := o.Both + o.OnlyA + o.OnlyB; either > 0 {
		o.Jaccard = float64(o.Both) / float64(either)
	}
	if o.Both > 0 {
		o.Agreement = float64(o.SameDirection) / float64(o.Both)
	}
	o.ByChance = int(o.byChance + 0.5)
}
