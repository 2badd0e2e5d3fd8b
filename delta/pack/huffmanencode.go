package pack

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// maxEarlierCodes is how many earlier codes a stream may choose from, the latest.
const maxEarlierCodes = 16

// huffman codes src, in which two bytes at least are different, with a code of
// its own or the one of an earlier stream: the lengths of the code or which one
// it is, the sizes in bytes of the first three parts, the parts.
func (p *packer) huffman(out, src []byte, counts *[256]int) (again bool, _ []byte) {
	lengths := ownCode(len(src), counts)
	least, which := huffmanBits(&lengths, counts), -1
	for i := range min(maxEarlierCodes, len(p.codes)) {
		if bits := 8 + codeBits(&p.codes[len(p.codes)-1-i], counts); bits < least {
			least, which = bits, i
		}
	}
	if which >= 0 {
		lengths = p.codes[len(p.codes)-1-which]
		out = append(out, byte(which))
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
	return which >= 0, out
}

// ownCode returns the lengths of a code for n bytes.
func ownCode(n int, counts *[256]int) [256]byte {
	limit := min(max(bits.Len(uint(n)), 8), maxCodeBits)
	lengths := codeLengths(counts, limit)
	if n >= smoothBelow {
		return lengths
	}
	least := huffmanBits(&lengths, counts)
	for _, smooth := range []func(*[256]int) [256]int{smoothedCounts, geometricCounts} {
		alike := smooth(counts)
		other := codeLengths(&alike, maxCodeBits)
		if bits := huffmanBits(&other, counts); bits < least {
			least, lengths = bits, other
		}
	}
	return lengths
}

// smoothBelow is the length of streams that are so short that their code's
// lengths count.
const smoothBelow = 1 << 16

// smoothedCounts returns counts with an average over each sixteen neighbours that
// occur about as often. For short streams of gaps the code that follows from it
// is hardly longer, and its lengths take half the room.
func smoothedCounts(counts *[256]int) [256]int {
	const block = 16
	out := *counts
	for from := 0; from < len(out); from += block {
		all := 0
		for _, n := range counts[from : from+block] {
			all += n
		}
		sum, alike := 0, 0
		for _, n := range counts[from : from+block] {
			if n*block <= 4*all {
				sum, alike = sum+n, alike+1
			}
		}
		for i, n := range counts[from : from+block] {
			if n*block <= 4*all && sum > 0 {
				out[from+i] = (sum + alike - 1) / alike
			}
		}
	}
	return out
}

// geometricCounts returns counts of gaps that keep each position with the same
// probability, on average as often as counts says; its highest byte, 127 or 255,
// is the skip.
func geometricCounts(counts *[256]int) (out [256]int) {
	skip := 127
	all, keep, passed := 0, 0, 0
	for b, n := range counts {
		if b > skip && n > 0 {
			skip = 255
		}
		all, passed = all+n, passed+n*b
	}
	keep = all - counts[skip]
	q := float64(passed) / float64(passed+max(keep, 1))
	const precision = 1 << 24
	weight := float64(precision)
	for b := range skip {
		out[b] = 1 + int(weight*(1-q))
		weight *= q
	}
	out[skip] = 1 + int(weight)
	return out
}

// huffmanBits returns the bits that a code and what it codes take.
func huffmanBits(lengths *[256]byte, counts *[256]int) int {
	w := bitWriter{}
	putLengths(&w, lengths)
	return 8*len(w.finish()) + codeBits(lengths, counts)
}

// codeBits returns the bits of bytes in a code, more than any if it lacks one of
// them.
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

// huffmanPartOf returns part i of four: all of ⌈len/4⌉ bytes, but for what the last
// ones lack.
func huffmanPartOf(x []byte, i int) []byte {
	size := (len(x) + huffmanParts - 1) / huffmanParts
	return x[min(i*size, len(x)):min((i+1)*size, len(x))]
}
