package ken

import (
	"bytes"
	"fmt"

	"kenserve/safetensors"
)

// chooseRows selects from every row by itself. Rows that training left alone
// keep nothing, unless masks are asked for.
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

// checkFinite returns an error that wraps a valueError for a row with a weight that
// is not finite.
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

// equalBits tells whether training left a row alone.
func equalBits(a, b []float32) bool {
	return bytes.Equal(safetensors.Bytes(a), safetensors.Bytes(b))
}
