package viz

import (
	"context"
	"fmt"

	"kenserve/safetensors"
)

// values are a row of a tensor as its three models have it, [columns] each.
type rowValues struct {
	kept  []uint64  // which of them are kept, as pattern.row has it
	base  []float32 // nil for the head
	task  []float32 // the base's with the delta applied
	tuned []float32 // nil if the tuned checkpoint is not known
}

// scanBlock is about how many values scan reads at a time.
const scanBlock = 1 << 16

// scan calls f for the rows of a tensor from first to last-1. Without a tuned
// checkpoint, long runs of rows that keep nothing are left out. The slices are
// reused.
func (m *Model) scanRows(ctx context.Context, t *Tensor, p *pattern, first, last int, f func(r int, v rowValues)) error {
	entry, _ := m.delta.Tensor(t.Name)
	base, _ := m.base.Tensor(t.Name)
	tuned := m.tunedTensor(t.Name)
	if t.Form == Absent {
		tuned = nil
	}
	// A delta is applied a tile of at most 16 rows at a time: whole tiles are
	// not walked twice.
	const tile = 16
	step := max(scanBlock/max(t.Columns, 1)/tile*tile, tile)
	var buffers [3][]float32
	for from := first; from < last; {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from/tile*tile+step, last)
		rows := to - from
		if tuned == nil && countRange(p.bits[from*p.words:to*p.words], 0, rows*p.words*64) == 0 {
			from = to
			continue
		}
		read := func(i int, source *safetensors.Tensor) ([]float32, error) {
			if source == nil {
				return nil, nil
			}
			if buffers[i] == nil {
				buffers[i] = make([]float32, min(step, last-first)*t.Columns)
			}
			part := buffers[i][:rows*t.Columns]
			if err := source.Float32s(part, from*t.Columns); err != nil {
				return nil, fmt.Errorf("viz: %w", err)
			}
			return part, nil
		}
		original := base
		if entry != nil && entry.Dense != nil {
			original = entry.Dense
		}
		b, err := read(0, base)
		if err != nil {
			return err
		}
		w, err := read(1, original)
		if err != nil {
			return err
		}
		if entry != nil && entry.Masked != nil {
			entry.Masked.PatchRows(from, w)
		}
		u, err := read(2, tuned)
		if err != nil {
			return err
		}
		for r := range rows {
			part := func(x []float32) []float32 {
				if x == nil {
					return nil
				}
				return x[r*t.Columns : (r+1)*t.Columns]
			}
			f(from+r, rowValues{kept: p.row(from + r), base: part(b), task: part(w), tuned: part(u)})
		}
		from = to
	}
	return nil
}
