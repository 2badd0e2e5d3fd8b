package pack

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// maxEarlierCodes is the number of latest codes that a stream may reuse.
const maxEarlierCodes = 16

// huffman appends src, which must have two distinct bytes or more, in a code of its
// own or, as reused reports, in the code of an earlier stream: the code-length
// table or the number of the earlier code, the sizes in bytes of the first three
// parts, and the four parts. counts are those of src.
func (p *packer) huffman(out, src []byte, counts *[256]int) (reused bool, _ []byte) {
	lengths := ownCode(len(src), counts)
	bestBits, earlier := huffmanBits(&lengths, counts), -1
	for i := range min(maxEarlierCodes, len(p.codes)) {
		if bits := 8 + codeBits(&p.codes[len(p.codes)-1-i], counts); bits < bestBits {
			bestBits, earlier = bits, i
		}
	}
	if earlier >= 0 {
		lengths = p.codes[len(p.codes)-1-earlier]
		out = append(out, byte(earlier))
	} else {
		w := bitWriter{out: out}
		putLengths(&w, &lengths)
		out = w.finish()
		p.codes = append(p.codes, lengths)
	}
	codes, _, _ := canonicalCodes(&lengths)
	var parts [huffmanParts][]byte
	for i := range parts {
		w := bitWriter{}
		for _, b := range huffmanPartOf(src, i) {
			w.put(uint64(codes[b]), uint(lengths[b]))
		}
		parts[i] = w.finish()
	}
	for _, p := range parts[:huffmanParts-1] {
		out = binary.AppendUvarint(out, uint64(len(p)))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return earlier >= 0, out
}

// ownCode returns the code lengths for a stream of n bytes. For a short stream,
// whose code-length table counts, it also tries codes with shorter tables.
func ownCode(n int, counts *[256]int) [256]byte {
	limit := min(max(bits.Len(uint(n)), 8), maxCodeBits)
	lengths := codeLengths(counts, limit)
	if n >= smoothBelow {
		return lengths
	}
	bestBits := huffmanBits(&lengths, counts)
	for _, smooth := range []func(*[256]int) [256]int{smoothedCounts, geometricCounts} {
		approximate := smooth(counts)
		other := codeLengths(&approximate, maxCodeBits)
		if bits := huffmanBits(&other, counts); bits < bestBits {
			bestBits, lengths = bits, other
		}
	}
	return lengths
}

// smoothBelow is the length of a stream below which ownCode tries to shorten the
// code-length table.
const smoothBelow = 1 << 16

// smoothedCounts returns counts in which those of each sixteen neighbours are
// replaced by their average; a count above four times the average stays, and does
// not enter into it. For short streams of gaps this hardly lengthens the codes and
// halves the code-length table, because neighbours then have the same length.
func smoothedCounts(counts *[256]int) [256]int {
	const block = 16
	out := *counts
	for from := 0; from < len(out); from += block {
		all := 0
		for _, n := range counts[from : from+block] {
			all += n
		}
		sum, averaged := 0, 0
		for _, n := range counts[from : from+block] {
			if n*block <= 4*all {
				sum, averaged = sum+n, averaged+1
			}
		}
		for i, n := range counts[from : from+block] {
			if n*block <= 4*all && sum > 0 {
				out[from+i] = (sum + averaged - 1) / averaged
			}
		}
	}
	return out
}

// geometricCounts returns the expected counts of gaps if every position is kept
// with the same probability, which it estimates from counts. The code-length table
// of such counts is short. The skip is 255 if a byte above 127 occurs, else 127.
func geometricCounts(counts *[256]int) (out [256]int) {
	skip := 127
	all, passed := 0, 0
	for b, n := range counts {
		if b > skip && n > 0 {
			skip = 255
		}
		all, passed = all+n, passed+n*b
	}
	kept := all - counts[skip]
	q := float64(passed) / float64(passed+max(kept, 1)) // the probability that a position is not kept
	const precision = 1 << 24
	weight := float64(precision)
	for b := range skip {
		out[b] = 1 + int(weight*(1-q))
		weight *= q
	}
	out[skip] = 1 + int(weight)
	return out
}

// huffmanBits returns the number of bits of a code-length table and of bytes with
// the given counts in its code.
func huffmanBits(lengths *[256]byte, counts *[256]int) int {
	w := bitWriter{}
	putLengths(&w, lengths)
	return 8*len(w.finish()) + codeBits(lengths, counts)
}

// codeBits returns the number of bits of bytes with the given counts in a code, or
// a huge number if a byte has no code.
func codeBits(lengths *[256]byte, counts *[256]int) int {
	sum := 0
	for s, n := range counts {
		if n > 0 && lengths[s] == 0 {
			return math.MaxInt / 2
		}
		sum += n * int(lengths[s])
	}
	return sum
}

// huffmanPartOf returns part i of x. Parts have ⌈len(x)/4⌉ bytes; the last ones
// may have fewer.
func huffmanPartOf(x []byte, i int) []byte {
	size := (len(x) + huffmanParts - 1) / huffmanParts
	return x[min(i*size, len(x)):min((i+1)*size, len(x))]
}
