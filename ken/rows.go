package ken

import (
	"bytes"
	"fmt"

	"kenserve/safetensors"
)

// selectEachRow selects from every row by itself. A row that equals the base's keeps
// nothing, unless masks are asked for.
func (w *worker) selectEachRow(b *block, o Options) error {
	k := Kept(b.columns, o.K, o.Keep)
	for r := range b.rows {
		row, keep := b.row(r)
		if !o.Masks && equalBits(row.tuned, row.base) {
			clear(keep)
			continue
		}
		if err := findNonFinite(row.base, true); err != nil {
			return fmt.Errorf("row %d: %w", row.index, err)
		}
		if err := w.selector.choose(keep, row, k); err != nil {
			return fmt.Errorf("row %d: %w", row.index, err)
		}
	}
	return nil
}

// keepAll keeps every value of the block.
func (b *block) keepAll() error {
	for r := range b.rows {
		row, keep := b.row(r)
		if err := checkFinite(row); err != nil {
			return err
		}
		clear(keep)
		setFirst(keep, b.columns)
	}
	return nil
}

// checkFinite returns an error that wraps a *valueError if a weight of the row is NaN
// or infinite.
func checkFinite(row rowPair) error {
	err := findNonFinite(row.base, true)
	if err == nil {
		err = findNonFinite(row.tuned, false)
	}
	if err != nil {
		return fmt.Errorf("row %d: %w", row.index, err)
	}
	return nil
}

// equalBits reports whether two rows have the same bits: training left the row
// unchanged.
func equalBits(a, b []float32) bool {
	return bytes.Equal(safetensors.Bytes(a), safetensors.Bytes(b))
}
