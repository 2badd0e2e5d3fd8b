package models

import "slices"

// Blocks divides attention into parts. A part is a block of queries of one head
// of one sequence. The blocks of a head have consecutive numbers, so that its
// keys and values stay in cache.
type Blocks struct {
	heads     int
	sequences []sequenceBlocks
}

// sequenceBlocks are the blocks of one sequence.
type sequenceBlocks struct {
	rows, block int // number of queries, and the maximum per part
	end         int // number of the first part after this sequence
}

// Reset removes all sequences and sets the number of heads.
func (b *Blocks) Reset(heads int) {
	b.heads, b.sequences = heads, b.sequences[:0]
}

// Add adds a sequence with the given number of queries, at most block per part.
func (b *Blocks) Add(rows, block int) {
	b.sequences = append(b.sequences, sequenceBlocks{rows, block, b.Parts() + b.heads*((rows+block-1)/block)})
}

// Parts returns the number of parts.
func (b *Blocks) Parts() int {
	if len(b.sequences) == 0 {
		return 0
	}
	return b.sequences[len(b.sequences)-1].end
}

// Find returns the sequence and the head of a part, and its queries: rows first
// to first+count-1 of the sequence.
func (b *Blocks) Find(part int) (sequence, head, first, count int) {
	lo, hi := 0, len(b.sequences)-1 // binary search for the first sequence with end > part
	for lo < hi {
		if mid := (lo + hi) / 2; b.sequences[mid].end > part {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo > 0 {
		part -= b.sequences[lo-1].end
	}
	s := &b.sequences[lo]
	perHead := (s.rows + s.block - 1) / s.block
	first = part % perHead * s.block
	return lo, part / perHead, first, min(s.block, s.rows-first)
}

// SequenceLen returns the number of rows of sequence i. ends are the ends of all
// sequences.
func SequenceLen(ends []int, i int) int {
	if i == 0 {
		return ends[0]
	}
	return ends[i] - ends[i-1]
}

// SequenceOf returns the index of the sequence that contains row. ends are the
// ends of all sequences.
func SequenceOf(ends []int, row int) int {
	i, _ := slices.BinarySearch(ends, row+1)
	return i
}
