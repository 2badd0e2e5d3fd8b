package ken

import (
	"context"
	"math"
)

// A limit tells which weights of many rows are kept: those whose score is above
// it, and of those that equal it the first ones in the order of tensors, rows
// and columns.
//
// The score of a weight is 31 bits that order as the selection does: those of
// |tuned - base| for delta, of |tuned| for magnitude, any for random. The
// score of the n-th largest is found exactly in two passes over the tensors: a
// count of every value of the upper bits tells in which of them it lies, and
// the same for the lower bits among those. No score is remembered.
type threshold struct {
	score uint32
	equal int // weights whose score that is
	quota int // how many of them are kept
}

// limitDigits are the bits that each pass counts.
var thresholdDigits = [...]struct{ shift, width int }{{15, 16}, {0, 15}}

const thresholdPasses = len(thresholdDigits)

// limit finds the limit for the tensors' common budget.
func (ws workers) findThreshold(ctx context.Context, jobs []*tensorJob, o Options) (*threshold, error) {
	total := 0
	for _, j := range jobs {
		total += j.rows * j.columns
	}
	l := &threshold{quota: Kept(total, o.K, o.Keep)}
	var known uint32 // mask of the bits of score that are found
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
						if s&known == l.score {
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
		for ; value > 0 && counts[value] < l.quota; value-- {
			l.quota -= counts[value]
		}
		l.score |= uint32(value) << digit.shift
		l.equal = counts[value]
		known |= mask << digit.shift
	}
	return l, nil
}

// eachScored calls f with the scores of every row of a block.
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

// score sets the scores of a row that is finite.
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

// shareTies divides the ties that are left among the blocks of a tensor, and
// takes them from the limit. It returns nil if all that equal the limit are
// kept.
func (ws workers) allotTies(ctx context.Context, j *tensorJob, l *threshold, o Options) ([]int, error) {
	if l.quota == l.equal {
		return nil, nil
	}
	shares := make([]int, j.blocks())
	if l.quota == 0 {
		return shares, nil
	}
	o.Progress = nil
	err := ws.pass(ctx, j, o, func(w *worker, b *block) error {
		n := 0
		err := w.forEachScoredRow(b, func(scores []uint32) {
			for _, s := range scores {
				if s == l.score {
					n++
				}
			}
		})
		shares[b.firstRow/blockRows] = n
		return err
	})
	for i := range shares {
		shares[i] = min(shares[i], l.quota)
		l.quota -= shares[i]
	}
	return shares, err
}

// chooseAbove keeps the weights of a block that are above the limit, and of
// those that equal it as many as its share of ties.
func (w *worker) selectAboveThreshold(b *block, l *threshold, shares []int) error {
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
			if s > l.score {
				setBit(keep, j)
			} else if s == l.score && ties > 0 {
				setBit(keep, j)
				ties--
			}
		}
	})
}
