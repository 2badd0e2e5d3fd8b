package models

import "slices"

// Blocks numbers the parts of an attention: blocks of queries of one head of
// one sequence. The blocks of a head follow each other, so that its keys and
// values stay in cache.
type Blocks struct {
	heads     int
	sequences []sequenceBlocks
}

// blocks are those of one sequence.
type sequenceBlocks struct {
	rows, block int // queries, and how many a part has at most
	end         int // number of the first part after this sequence
}

// Reset begins anew, with the given number of heads.
func (b *Blocks) Reset(heads int) {
	b.heads, b.sequences = heads, b.sequences[:0]
}

// Add adds a sequence with the given number of queries, block of them a part.
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

// Find returns what a part is: a sequence, one of its heads, and the rows first
// to first+count-1 of its queries.
func (b *Blocks) Find(part int) (sequence, head, first, count int) {
	lo, hi := 0, len(b.sequences)-1 // the first sequence whose parts end beyond
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

// Span returns how many rows sequence i has, of those that end at ends.
func SequenceLen(ends []int, i int) int {
	if i == 0 {
		return ends[0]
	}
	return ends[i] - ends[i-1]
}

// Sequence returns the index of the sequence that a row belongs to, of those
// that end at ends.
func SequenceOf(ends []int, row int) int {
	i, _ := slices.BinarySearch(ends, row+1)
	return i
}
