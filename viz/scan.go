package viz

import (
	"context"
	"fmt"

	"kenserve/safetensors"
)

// rowValues is a row of a tensor, [columns], in base, task and tuned checkpoint.
type rowValues struct {
	kept  []uint64  // which values are kept, as in pattern.row
	base  []float32 // nil for the head
	task  []float32 // the base's with the delta applied
	tuned []float32 // nil without a tuned checkpoint
}

// scanBlock is about the number of values that scanRows reads at a time.
const scanBlock = 1 << 16

// scanRows calls f for the rows first … last-1 of a tensor. Without a tuned checkpoint it
// skips long runs of rows that keep nothing. It reuses the slices for the next rows.
func (m *Model) scanRows(ctx context.Context, t *Tensor, p *pattern, first, last int, f func(r int, v rowValues)) error {
	entry, _ := m.delta.Tensor(t.Name)
	base, _ := m.base.Tensor(t.Name)
	tuned := m.tunedTensor(t.Name)
	if t.Form == Absent {
		tuned = nil
	}
	// A delta is applied tile by tile, with at most 16 rows in a tile. Blocks of whole
	// tiles avoid that a tile is decoded twice.
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
