package ken

import (
	"fmt"
	"math"
)

// A ValueError reports a weight that is NaN or infinite.
type ValueError struct {
	Column int
	Value  float32
	Base   bool // the base's row holds it, not the fine-tuned one
}

func (e *ValueError) Error() string {
	row := "fine-tuned"
	if e.Base {
		row = "base"
	}
	return fmt.Sprintf("column %d of the %s row is %v", e.Column, row, e.Value)
}

// A Row is a row of a fine-tuned tensor beside the base's.
type Row struct {
	Tuned []float32
	Base  []float32 // of the same length; only the selection delta reads it

	// Tensor and Index, the tensor's name and the row's number in it, tell
	// random's choices in different rows apart. No other selection reads them.
	Tensor string
	Index  int
}

// A Selector chooses the weights to keep of one row after another. It owns the
// scratch memory for that, which grows to the largest row it has seen, and
// serves one goroutine at a time: use one for each.
type Selector struct {
	selection Selection
	seed      uint64
	matcher   matcher
	largest   largest
	sampler   sampler
}

// NewSelector returns a selector. The seed is random's; the same seed gives
// every row the same choice whatever the order in which rows are selected from,
// and however many selectors share the work.
func NewSelector(selection Selection, seed uint64) (*Selector, error) {
	if _, err := ParseSelection(string(selection)); err != nil {
		return nil, err
	}
	return &Selector{selection: selection, seed: seed, sampler: newSampler()}, nil
}

// MaskWords returns the length of the mask of a row of n weights.
func MaskWords(n int) int { return (n + 63) / 64 }

// Select chooses k weights of the row and sets the mask: bit j%64 of word j/64
// stands for column j, set where the fine-tuned weight is kept. The mask has
// [MaskWords] words and its bits beyond the row are cleared. A k of the row's
// width or more keeps all of it. The selection ken can keep more than k where
// values are duplicates of each other.
//
// A weight that is NaN or infinite is a [ValueError]. On an error the mask's
// contents are undefined.
func (s *Selector) Select(mask []uint64, row Row, k int) error {
	n := len(row.Tuned)
	if len(mask) != MaskWords(n) {
		return fmt.Errorf("ken: mask has %d words, a row of %d weights needs %d", len(mask), n, MaskWords(n))
	}
	if s.selection == Delta && len(row.Base) != n {
		return fmt.Errorf("ken: base row has %d weights, fine-tuned row has %d", len(row.Base), n)
	}
	if k < 0 {
		return fmt.Errorf("ken: cannot keep %d weights of a row", k)
	}
	if err := findNonFinite(row.Tuned, false); err != nil {
		return err
	}
	if s.selection == Delta {
		if err := findNonFinite(row.Base, true); err != nil {
			return err
		}
	}
	clear(mask)
	switch {
	case k == 0:
	case k >= n:
		setFirst(mask, n)
	case s.selection == KEN:
		s.matcher.choose(mask, row.Tuned, k)
	case s.selection == Delta:
		s.largest.choose(mask, row.Tuned, row.Base, k)
	case s.selection == Magnitude:
		s.largest.choose(mask, row.Tuned, nil, k)
	case s.selection == Random:
		s.sampler.choose(mask, n, k, rowSeed(s.seed, row.Tensor, row.Index))
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

// findNonFinite returns a ValueError for the first weight that is NaN or
// infinite.
func findNonFinite(row []float32, base bool) error {
	const exponent = 0x7f800000 // all ones in NaNs and infinities alone
	for j, v := range row {
		if math.Float32bits(v)&exponent == exponent {
			return &ValueError{Column: j, Value: v, Base: base}
		}
	}
	return nil
}
