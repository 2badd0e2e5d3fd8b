package pack

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// A byte stream is coded with a canonical Huffman code, of its own or of an
// earlier stream that is much alike, in four parts that are decoded side by side:
// a decoder waits for its table, and several wait together.

const (
	maxCodeBits  = 11 // so that 56 bits hold five codes, and a table is 4 KiB
	huffmanParts = 4
)

// codeLengths returns the lengths of a prefix code for bytes that occur as
// often as counts says, none longer than limit: the best one, found by
// package-merge (Larmore and Hirschberg, 1990). At least two bytes must occur,
// and no more than 2^limit may.
func codeLengths(counts *[256]int, limit int) (lengths [256]byte) {
	type item struct {
		weight int
		symbol int // −1: the package of a and b, items of the list before
		a, b   int
	}
	var leaves []item
	for s, n := range counts {
		if n > 0 {
			leaves = append(leaves, item{weight: n, symbol: s})
		}
	}
	slices.SortStableFunc(leaves, func(x, y item) int { return x.weight - y.weight })
	lists := [][]item{leaves}
	for range limit - 1 {
		before := lists[len(lists)-1]
		list := make([]item, 0, 2*len(leaves))
		next := 0
		for i := 0; i+1 < len(before); i += 2 {
			p := item{weight: before[i].weight + before[i+1].weight, symbol: -1, a: i, b: i + 1}
			for next < len(leaves) && leaves[next].weight <= p.weight {
				list = append(list, leaves[next])
				next++
			}
			list = append(list, p)
		}
		lists = append(lists, append(list, leaves[next:]...))
	}
	var count func(level, i int)
	count = func(level, i int) {
		it := lists[level][i]
		if it.symbol >= 0 {
			lengths[it.symbol]++
			return
		}
		count(level-1, it.a)
		count(level-1, it.b)
	}
	for i := range 2*len(leaves) - 2 {
		count(limit-1, i)
	}
	return lengths
}

// canonicalCodes gives codes to lengths, in the order of length and symbol,
// each with its first bit lowest. It returns the longest length, and false if
// the lengths are not those of a full prefix code of two symbols or more.
func canonicalCodes(lengths *[256]byte) (codes [256]uint16, longest int, full bool) {
	var starts [maxCodeBits + 2]int
	for _, n := range lengths {
		if n > 0 {
			starts[n+1]++
			longest = max(longest, int(n))
		}
	}
	code := 0
	for n := 1; n <= longest; n++ {
		code = (code + starts[n]) << 1
		starts[n] = code
	}
	for s, n := range lengths {
		if n > 0 {
			codes[s] = bits.Reverse16(uint16(starts[n])) >> (16 - n)
			starts[n]++
		}
	}
	sum := 0
	for _, n := range lengths {
		if n > 0 {
			sum += 1 << (longest - int(n))
		}
	}
	return codes, longest, longest > 0 && sum == 1<<longest
}

// putLengths writes the code's lengths for the bytes 0, 1, … up to 255, each
// against the one before: bit 0 the same, 10 one more, 110 one less, 1110 none
// from here on, 1111 and four bits that length.
func putLengths(w *bitWriter, lengths *[256]byte) {
	last := 255
	for lengths[last] == 0 {
		last--
	}
	before := byte(0)
	for _, n := range lengths[:last+1] {
		switch n {
		case before:
			w.put(0, 1)
		case before + 1:
			w.put(0b01, 2)
		case before - 1:
			w.put(0b011, 3)
		default:
			w.put(0b1111|uint64(n)<<4, 8)
		}
		before = n
	}
	if last < 255 {
		w.put(0b0111, 4)
	}
}

// getLengths reads what putLengths wrote; it returns the bytes that this took.
func getLengths(data []byte) (lengths [256]byte, size int, err error) {
	at := 0
	bit := func() int {
		if at >= 8*len(data) {
			at++
			return 0
		}
		b := int(data[at>>3] >> (at & 7) & 1)
		at++
		return b
	}
	before := byte(0)
symbols:
	for s := range lengths {
		switch {
		case bit() == 0:
		case bit() == 0:
			before++
		case bit() == 0:
			before--
		case bit() == 0:
			break symbols
		default:
			before = byte(bit() | bit()<<1 | bit()<<2 | bit()<<3)
		}
		if before > maxCodeBits {
			return lengths, 0, fmt.Errorf("Huffman code of %d bits, at most %d", before, maxCodeBits)
		}
		lengths[s] = before
	}
	if size = (at + 7) / 8; size > len(data) {
		return lengths, 0, errors.New("truncated code-length table")
	}
	if at&7 != 0 && data[size-1]>>(at&7) != 0 {
		return lengths, 0, errors.New("bits after the code-length table are not 0")
	}
	return lengths, size, nil
}

// bitWriter appends bits, the first one lowest in a byte.
type bitWriter struct {
	out []byte
	acc uint64
	n   uint
}

func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

// finish fills the last byte with zeros and returns all.
func (w *bitWriter) finish() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.acc))
		w.acc, w.n = 0, 0
	}
	return w.out
}
