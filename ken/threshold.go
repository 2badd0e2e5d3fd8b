package ken

import (
	"context"
	"math"
)

// A threshold decides which weights of many rows are kept: every weight whose score
// is above it, and of the weights whose score equals it the first ones in the order
// of tensors, rows and columns.
//
// The score of a weight has 31 bits, which order weights as the selection does: the
// bits of |tuned - base| for LargestChange, of |tuned| for Magnitude, random bits for
// Random. The k-th largest score is found exactly in two passes over the tensors.
// The first counts how often every value of the upper bits occurs, which gives the
// upper bits of the k-th largest; the second does the same for the lower bits of
// the scores with those upper bits. Scores are not stored.
type threshold struct {
	score uint32
	equal int // weights whose score equals it
	quota int // how many of them are kept
}

// thresholdDigits are the bits that each pass counts.
var thresholdDigits = [...]struct{ shift, width int }{{15, 16}, {0, 15}}

const thresholdPasses = len(thresholdDigits)

// findThreshold returns the threshold for tensors that share a budget.
func (ws workers) findThreshold(ctx context.Context, jobs []*tensorJob, o Options) (*threshold, error) {
	total := 0
	for _, j := range jobs {
		total += j.rows * j.columns
	}
	t := &threshold{quota: Kept(total, o.K, o.Keep)}
	var known uint32 // mask of the bits of t.score that are found
	for _, digit := range thresholdDigits {
		mask := uint32(1)<<digit.width - 1
		for _, w := range ws {
			w.counts = resized(w.counts, 1<<digit.width)
			clear(w.counts)
		}
		for _, j := range jobs {
			err := ws.pass(ctx, j, o, func(w *worker, b *block) error {
				return w.forEachScoredRow(b, func(scores []uint32) {
					for _, s := range scores {
						if s&known == t.score {
							w.counts[s>>digit.shift&mask]++
						}
					}
				})
			})
			if err != nil {
				return nil, err
			}
		}
		counts := ws[0].counts
		for _, w := range ws[1:] {
			for i, n := range w.counts {
				counts[i] += n
			}
		}
		value := len(counts) - 1
		for ; value > 0 && counts[value] < t.quota; value-- {
			t.quota -= counts[value]
		}
		t.score |= uint32(value) << digit.shift
		t.equal = counts[value]
		known |= mask << digit.shift
	}
	return t, nil
}

// forEachScoredRow calls f with the scores of every row of a block.
func (w *worker) forEachScoredRow(b *block, f func(scores []uint32)) error {
	w.scores = resized(w.scores, b.columns)
	for r := range b.rows {
		row, _ := b.row(r)
		if err := checkFinite(row); err != nil {
			return err
		}
		w.selector.scoreRow(w.scores, row)
		f(w.scores)
	}
	return nil
}

// scoreRow sets the scores of a row of finite weights.
func (s *rowSelector) scoreRow(scores []uint32, row rowPair) {
	tuned := row.tuned[:len(scores)]
	switch s.selection {
	case LargestChange:
		base := row.base[:len(scores)]
		for j, v := range tuned {
			scores[j] = math.Float32bits(v-base[j]) & math.MaxInt32
		}
	case Magnitude:
		for j, v := range tuned {
			scores[j] = math.Float32bits(v) & math.MaxInt32
		}
	case Random:
		s.sampler.source.Seed(rowSeed(s.seed, row.tensor, row.index), 0)
		for j := range scores {
			scores[j] = s.sampler.Uint32() >> 1
		}
	}
}

// allotTies divides the rest of the quota among the blocks of a tensor, in their
// order, and takes it from the threshold. It returns nil if all weights that equal
// the threshold are kept.
func (ws workers) allotTies(ctx context.Context, j *tensorJob, t *threshold, o Options) ([]int, error) {
	if t.quota == t.equal {
		return nil, nil
	}
	shares := make([]int, j.blocks())
	if t.quota == 0 {
		return shares, nil
	}
	o.Progress = nil
	err := ws.pass(ctx, j, o, func(w *worker, b *block) error {
		n := 0
		err := w.forEachScoredRow(b, func(scores []uint32) {
			for _, s := range scores {
				if s == t.score {
					n++
				}
			}
		})
		shares[b.firstRow/blockRows] = n
		return err
	})
	for i := range shares {
		shares[i] = min(shares[i], t.quota)
		t.quota -= shares[i]
	}
	return shares, err
}

// selectAboveThreshold keeps the weights of a block whose score is above the
// threshold, and the first of those that equal it up to the block's share of the
// quota. With nil shares it keeps all that equal it.
func (w *worker) selectAboveThreshold(b *block, t *threshold, shares []int) error {
	ties := math.MaxInt
	if shares != nil {
		ties = shares[b.firstRow/blockRows]
	}
	r := 0
	return w.forEachScoredRow(b, func(scores []uint32) {
		_, keep := b.row(r)
		r++
		clear(keep)
		for j, s := range scores {
			if s > t.score {
				setBit(keep, j)
			} else if s == t.score && ties > 0 {
				setBit(keep, j)
				ties--
			}
		}
	})
}
