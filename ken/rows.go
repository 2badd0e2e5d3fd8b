package ken

import (
	"bytes"
	"fmt"

	"kenserve/safetensors"
)

// chooseRows selects from every row by itself. Rows that training left alone
// keep nothing, unless masks are asked for.
func (w *pruner) chooseRows(b *block, o Options) error {
	k := Kept(b.columns, o.K, o.Keep)
	for r := range b.rows {
		row, keep := b.row(r)
		if !o.Masks && equalBits(row.Tuned, row.Base) {
			clear(keep)
			continue
		}
		if err := findNonFinite(row.Base, true); err != nil {
			return fmt.Errorf("row %d: %w", row.Index, err)
		}
		if err := w.selector.Select(keep, row, k); err != nil {
			return fmt.Errorf("row %d: %w", row.Index, err)
		}
	}
	return nil
}

// keepAll keeps everything.
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

// checkFinite returns an error that wraps a ValueError for a row with a weight that
// is not finite.
func checkFinite(row Row) error {
	err := findNonFinite(row.Base, true)
	if err == nil {
		err = findNonFinite(row.Tuned, false)
	}
	if err != nil {
		return fmt.Errorf("row %d: %w", row.Index, err)
	}
	return nil
}

// equalBits tells whether training left a row alone.
func equalBits(a, b []float32) bool {
	return bytes.Equal(safetensors.Bytes(a), safetensors.Bytes(b))
}
