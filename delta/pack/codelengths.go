package pack

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// A byte stream is coded with a canonical Huffman code: its own, or that of an
// earlier stream with similar frequencies. It is coded in four parts, which are
// decoded in parallel on one core: the decoder of a part has to wait for each
// look-up in its table, and four of them wait at the same time.

const (
	maxCodeBits  = 11 // five codes fit into 56 bits, and a decoding table takes 4 KiB
	huffmanParts = 4
)

// codeLengths returns the code lengths of the best prefix code for bytes with the
// given counts, with no length above limit. It uses the package-merge algorithm of
// Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman
// codes", 1990. At least two bytes must occur, and at most 2^limit.
func codeLengths(counts *[256]int, limit int) (lengths [256]byte) {
	type item struct {
		weight int
		symbol int // −1 for a package of the items a and b of the previous list
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
		previous := lists[len(lists)-1]
		list := make([]item, 0, 2*len(leaves))
		next := 0
		for i := 0; i+1 < len(previous); i += 2 {
			p := item{weight: previous[i].weight + previous[i+1].weight, symbol: -1, a: i, b: i + 1}
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

// canonicalCodes assigns codes to bytes in the order of their code lengths and then
// of the bytes. The first bit of a code is the lowest bit of its number. longest is
// the largest length. full is false if the lengths are not those of a full prefix
// code of two bytes or more.
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

// putLengths writes the code-length table, the code lengths of the bytes 0 to 255.
// Each is written in relation to its predecessor, which is 0 for the first: bit 0
// the same, 10 one more, 110 one less, 1111 and four bits any length. 1110 ends the
// table: all other bytes have no code.
func putLengths(w *bitWriter, lengths *[256]byte) {
	last := 255
	for lengths[last] == 0 {
		last--
	}
	previous := byte(0)
	for _, n := range lengths[:last+1] {
		switch n {
		case previous:
			w.put(0, 1)
		case previous + 1:
			w.put(0b01, 2)
		case previous - 1:
			w.put(0b011, 3)
		default:
			w.put(0b1111|uint64(n)<<4, 8)
		}
		previous = n
	}
	if last < 255 {
		w.put(0b0111, 4)
	}
}

// getLengths reads a code-length table, and returns its size in bytes.
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
	previous := byte(0)
symbols:
	for s := range lengths {
		switch {
		case bit() == 0:
		case bit() == 0:
			previous++
		case bit() == 0:
			previous--
		case bit() == 0:
			break symbols
		default:
			previous = byte(bit() | bit()<<1 | bit()<<2 | bit()<<3)
		}
		if previous > maxCodeBits {
			return lengths, 0, fmt.Errorf("Huffman code of %d bits, at most %d", previous, maxCodeBits)
		}
		lengths[s] = previous
	}
	if size = (at + 7) / 8; size > len(data) {
		return lengths, 0, errors.New("truncated code-length table")
	}
	if at&7 != 0 && data[size-1]>>(at&7) != 0 {
		return lengths, 0, errors.New("bits after the code-length table are not 0")
	}
	return lengths, size, nil
}

// bitWriter appends bits to bytes, the first bit to the lowest bit of a byte.
type bitWriter struct {
	out []byte
	acc uint64 // n bits that are not in out yet
	n   uint
}

// put appends the lowest n ≤ 56 bits of v, whose other bits must be 0.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

// finish fills the last byte with zeros and returns all bytes.
func (w *bitWriter) finish() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.acc))
		w.acc, w.n = 0, 0
	}
	return w.out
}
