package viz

import "math/bits"

// planes are the numbers of kept neighbours along a row, one bit of each
// number a plane: neighbours = ones + 2·twos + 4·fours. Where nothing is kept
// all three are 0.
type neighbourCounts struct{ ones, twos, fours []uint64 }

func newNeighbourCounts(words int) neighbourCounts {
	return neighbourCounts{make([]uint64, words), make([]uint64, words), make([]uint64, words)}
}

// neighbours sets the planes for row r: 64 columns at a time, the four
// neighbours of each are added up by logic.
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
		both, either := left&right, up&down // two neighbours side by side, one above the other
		out.ones[w] = (horizontal ^ vertical) & kept
		out.twos[w] = (both ^ either ^ (horizontal & vertical)) & kept
		out.fours[w] = both & either & kept
	}
}

// count returns how many kept values of the row have 0, 1, 2, 3 and 4
// neighbours.
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

// sum adds up the neighbours of columns from to to-1.
func (s *neighbourCounts) sum(from, to int) int {
	return countRange(s.ones, from, to) + 2*countRange(s.twos, from, to) + 4*countRange(s.fours, from, to)
}

// at returns the neighbours of the kept value in column c.
func (s *neighbourCounts) at(c int) int {
	bit := func(plane []uint64) int { return int(plane[c/64] >> (c % 64) & 1) }
	return bit(s.ones) + 2*bit(s.twos) + 4*bit(s.fours)
}
