package ken

import (
	"fmt"
	"math"
)

// A valueError reports a weight that is NaN or infinite.
type valueError struct {
	column int
	value  float32
	base   bool // the base's row holds it, not the fine-tuned one
}

func (e *valueError) Error() string {
	row := "fine-tuned"
	if e.base {
		row = "base"
	}
	return fmt.Sprintf("column %d of the %s row is %v", e.column, row, e.value)
}

// A rowPair is a row of a fine-tuned tensor beside the base's.
type rowPair struct {
	tuned []float32
	base  []float32 // of the same length; only the selection delta reads it

	// Tensor and Index, the tensor's name and the row's number in it, tell
	// random's choices in different rows apart. No other selection reads them.
	tensor string
	index  int
}

// A rowSelector chooses the weights to keep of one row after another. It owns the
// scratch memory for that, which grows to the largest row it has seen, and
// serves one goroutine at a time: use one for each.
type rowSelector struct {
	selection Selection
	seed      uint64
	matcher   matcher
	topK      topK
	sampler   sampler
}

// newRowSelector returns a selector. The seed is random's; the same seed gives
// every row the same choice whatever the order in which rows are selected from,
// and however many selectors share the work.
func newRowSelector(selection Selection, seed uint64) (*rowSelector, error) {
	if _, err := parseSelection(string(selection)); err != nil {
		return nil, err
	}
	return &rowSelector{selection: selection, seed: seed, sampler: newSampler()}, nil
}

// maskWords returns the length of the mask of a row of n weights.
func maskWords(n int) int { return (n + 63) / 64 }

// choose chooses k weights of the row and sets the mask: bit j%64 of word j/64
// stands for column j, set where the fine-tuned weight is kept. The mask has
// maskWords words and its bits beyond the row are cleared. A k of the row's
// width or more keeps all of it. The selection ken can keep more than k where
// values are duplicates of each other.
//
// A weight that is NaN or infinite is a valueError. On an error the mask's
// contents are undefined.
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

// findNonFinite returns a valueError for the first weight that is NaN or
// infinite.
func findNonFinite(row []float32, base bool) error {
	const exponent = 0x7f800000 // all ones in NaNs and infinities alone
	for j, v := range row {
		if math.Float32bits(v)&exponent == exponent {
			return &valueError{column: j, value: v, base: base}
		}
	}
	return nil
}
