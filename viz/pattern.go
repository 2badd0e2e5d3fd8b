package viz

import (
	"context"
	"fmt"
	"math/bits"

	"kenserve/delta"
)

// pattern says which values of a matrix are kept. Each row has whole words, [rows, words]: bit
// c%64 of word c/64 stands for column c. Bits beyond the last column are 0.
type pattern struct {
	rows, columns int
	words         int // in a row
	bits          []uint64
}

func newPattern(rows, columns int) *pattern {
	words := (columns + 63) / 64
	return &pattern{rows: rows, columns: columns, words: words, bits: make([]uint64, rows*words)}
}

// row returns the words of row r; nil above the first and below the last row.
func (p *pattern) row(r int) []uint64 {
	if r < 0 || r >= p.rows {
		return nil
	}
	return p.bits[r*p.words : (r+1)*p.words]
}

func (p *pattern) set(r, c int) { p.bits[r*p.words+c/64] |= 1 << (c % 64) }

func (p *pattern) has(r, c int) bool { return p.bits[r*p.words+c/64]>>(c%64)&1 == 1 }

// fill sets all values to kept.
func (p *pattern) fill() {
	for r := range p.rows {
		row := p.row(r)
		for w := range row {
			row[w] = ^uint64(0)
		}
		if p.columns%64 != 0 {
			row[len(row)-1] = 1<<(p.columns%64) - 1
		}
	}
}

// countRange returns how many of the bits from … to-1 of a row are set.
func countRange(row []uint64, from, to int) int {
	if from >= to {
		return 0
	}
	first, last := from/64, (to-1)/64
	low := ^uint64(0) << (from % 64)
	high := ^uint64(0) >> (63 - (to-1)%64)
	if first == last {
		return bits.OnesCount64(row[first] & low & high)
	}
	n := bits.OnesCount64(row[first]&low) + bits.OnesCount64(row[last]&high)
	for _, w := range row[first+1 : last] {
		n += bits.OnesCount64(w)
	}
	return n
}

// rowCounts returns the number of kept values of each row.
func (p *pattern) rowCounts() []int {
	out := make([]int, p.rows)
	for r := range out {
		out[r] = countRange(p.row(r), 0, p.columns)
	}
	return out
}

// pattern reads which values of a tensor are kept.
func (m *Model) pattern(ctx context.Context, t *Tensor) (*pattern, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := newPattern(t.Rows, t.Columns)
	switch t.Form {
	case Dense, Head:
		p.fill()
	case Masked:
		entry, _ := m.delta.Tensor(t.Name)
		outside := false
		entry.Masked.Keeps(func(r, c int) {
			if r >= p.rows || c >= p.columns {
				outside = true
				return
			}
			p.set(r, c)
		})
		if outside {
			return nil, fmt.Errorf("viz: tensor %s: %w: a kept value outside of %d × %d: not checked against its base", t.Name, delta.ErrCorrupt, t.Rows, t.Columns)
		}
	}
	return p, nil
}
