package ken

import (
	"fmt"
	"math"
)

// A valueError reports a weight that is NaN or infinite.
type valueError struct {
	column int
	value  float32
	base   bool // the weight is in the base's row; otherwise in the fine-tuned one
}

func (e *valueError) Error() string {
	row := "fine-tuned"
	if e.base {
		row = "base"
	}
	return fmt.Sprintf("column %d of the %s row is %v", e.column, row, e.value)
}

// A rowPair is a row of a fine-tuned tensor and the same row of the base.
type rowPair struct {
	tuned []float32
	base  []float32 // as long as tuned; only LargestChange reads it

	// The tensor's name and the row's number seed the choice of Random, so that
	// rows get different choices. Other selections do not read them.
	tensor string
	index  int
}

// A rowSelector selects weights row by row. It owns the scratch memory, which
// grows to the largest row so far, and must not be used by two goroutines at once.
type rowSelector struct {
	selection Selection
	seed      uint64
	matcher   matcher
	topK      topK
	sampler   sampler
}

// newRowSelector returns a selector. Only Random uses the seed: the same seed gives
// a row the same choice, in whatever order rows are selected from and however many
// selectors share the work.
func newRowSelector(selection Selection, seed uint64) (*rowSelector, error) {
	if _, err := parseSelection(string(selection)); err != nil {
		return nil, err
	}
	return &rowSelector{selection: selection, seed: seed, sampler: newSampler()}, nil
}

// maskWords returns the number of words in the mask of a row of n weights.
func maskWords(n int) int { return (n + 63) / 64 }

// choose selects k weights of the row and writes the mask, of maskWords words. Bit
// j%64 of word j/64 is set if the fine-tuned weight of column j is kept; bits
// beyond the row are cleared. A k at or above the row's width keeps the whole row.
// KEN can keep more than k weights if values are equal.
//
// The error is a *valueError if a weight is NaN or infinite. After an error the
// contents of the mask are undefined.
func (s *rowSelector) choose(mask []uint64, row rowPair, k int) error {
	n := len(row.tuned)
	if len(mask) != maskWords(n) {
		return fmt.Errorf("ken: mask has %d words, a row of %d weights needs %d", len(mask), n, maskWords(n))
	}
	if s.selection == LargestChange && len(row.base) != n {
		return fmt.Errorf("ken: base row has %d weights, fine-tuned row has %d", len(row.base), n)
	}
	if k < 0 {
		return fmt.Errorf("ken: cannot keep %d weights of a row", k)
	}
	if err := findNonFinite(row.tuned, false); err != nil {
		return err
	}
	if s.selection == LargestChange {
		if err := findNonFinite(row.base, true); err != nil {
			return err
		}
	}
	clear(mask)
	switch {
	case k == 0:
	case k >= n:
		setFirst(mask, n)
	case s.selection == KEN:
		s.matcher.choose(mask, row.tuned, k)
	case s.selection == LargestChange:
		s.topK.choose(mask, row.tuned, row.base, k)
	case s.selection == Magnitude:
		s.topK.choose(mask, row.tuned, nil, k)
	case s.selection == Random:
		s.sampler.choose(mask, n, k, rowSeed(s.seed, row.tensor, row.index))
	}
	return nil
}

// setFirst sets the first n bits of a cleared mask.
func setFirst(mask []uint64, n int) {
	for i := range n / 64 {
		mask[i] = math.MaxUint64
	}
	if n%64 != 0 {
		mask[n/64] = 1<<(n%64) - 1
	}
}

func setBit(mask []uint64, j int) { mask[j>>6] |= 1 << (j & 63) }

// findNonFinite returns a *valueError for the first weight of a row that is NaN or
// infinite. base says which row it is.
func findNonFinite(row []float32, base bool) error {
	const exponent = 0x7f800000 // all ones only in NaNs and infinities
	for j, v := range row {
		if math.Float32bits(v)&exponent == exponent {
			return &valueError{column: j, value: v, base: base}
		}
	}
	return nil
}
