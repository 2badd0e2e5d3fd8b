package viz

import "math/bits"

// neighbourCounts are the numbers of kept neighbours of the kept values of a row, in bit
// planes: the number for a column is ones + 2·twos + 4·fours. It is 0 for values that are
// not kept. Each plane is [words], as in pattern.
type neighbourCounts struct{ ones, twos, fours []uint64 }

func newNeighbourCounts(words int) neighbourCounts {
	return neighbourCounts{make([]uint64, words), make([]uint64, words), make([]uint64, words)}
}

// countNeighbours sets out to the counts of row r. It adds up the four neighbours of 64
// columns at a time with bitwise operations.
func (p *pattern) countNeighbours(r int, out neighbourCounts) {
	row, above, below := p.row(r), p.row(r-1), p.row(r+1)
	for w, kept := range row {
		left, right := kept<<1, kept>>1
		if w > 0 {
			left |= row[w-1] >> 63
		}
		if w+1 < len(row) {
			right |= row[w+1] << 63
		}
		var up, down uint64
		if above != nil {
			up = above[w]
		}
		if below != nil {
			down = below[w]
		}
		horizontal, vertical := left^right, up^down
		bothHorizontal, bothVertical := left&right, up&down
		out.ones[w] = (horizontal ^ vertical) & kept
		out.twos[w] = (bothHorizontal ^ bothVertical ^ (horizontal & vertical)) & kept
		out.fours[w] = bothHorizontal & bothVertical & kept
	}
}

// histogram returns how many kept values of the row have 0, 1, 2, 3 and 4 kept neighbours.
func (s *neighbourCounts) histogram(kept []uint64) (n [5]int) {
	for w, k := range kept {
		ones, twos, fours := s.ones[w], s.twos[w], s.fours[w]
		n[0] += bits.OnesCount64(k &^ (ones | twos | fours))
		n[1] += bits.OnesCount64(ones &^ twos)
		n[2] += bits.OnesCount64(twos &^ ones)
		n[3] += bits.OnesCount64(ones & twos)
		n[4] += bits.OnesCount64(fours)
	}
	return n
}

// sum adds up the numbers of the columns from … to-1.
func (s *neighbourCounts) sum(from, to int) int {
	return countRange(s.ones, from, to) + 2*countRange(s.twos, from, to) + 4*countRange(s.fours, from, to)
}

// at returns the number for column c.
func (s *neighbourCounts) at(c int) int {
	bit := func(plane []uint64) int { return int(plane[c/64] >> (c % 64) & 1) }
	return bit(s.ones) + 2*bit(s.twos) + 4*bit(s.fours)
}
