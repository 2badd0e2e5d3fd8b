package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
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

// codesKept is how many earlier codes a stream may choose from, the latest.
const codesKept = 16

// huffman codes src, in which two bytes at least are different, with a code of
// its own or the one of an earlier stream: the lengths of the code or which one
// it is, the sizes in bytes of the first three parts, the parts.
func (p *packer) huffman(out, src []byte, counts *[256]int) (again bool, _ []byte) {
	lengths := ownCode(len(src), counts)
	least, which := huffmanBits(&lengths, counts), -1
	for i := range min(codesKept, len(p.codes)) {
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
		for _, b := range part4(src, i) {
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
	for _, smooth := range []func(*[256]int) [256]int{smoothed, geometricCounts} {
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

// smoothed returns counts with an average over each sixteen neighbours that
// occur about as often. For short streams of gaps the code that follows from it
// is hardly longer, and its lengths take half the room.
func smoothed(counts *[256]int) [256]int {
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

// part4 returns part i of four: all of ⌈len/4⌉ bytes, but for what the last
// ones lack.
func part4(x []byte, i int) []byte {
	size := (len(x) + huffmanParts - 1) / huffmanParts
	return x[min(i*size, len(x)):min((i+1)*size, len(x))]
}

// huffmanTable is a decoding table: for the next bits, as many as the longest
// code may have, the length of the code that they begin with in the low eight
// bits and its byte above.
type huffmanTable struct {
	entries [1 << maxCodeBits]uint16
}

// indexBits are the bits of what follows that pick an entry.
const indexBits = 1<<maxCodeBits - 1

func (t *huffmanTable) build(lengths *[256]byte) error {
	codes, longest, full := canonicalCodes(lengths)
	if !full {
		return errors.New("the code lengths are not those of a full prefix code")
	}
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		entry := uint16(s)<<8 | uint16(n)
		for i := int(codes[s]); i < 1<<longest; i += 1 << n {
			t.entries[i] = entry
		}
	}
	for n := 1 << longest; n < len(t.entries); n *= 2 {
		copy(t.entries[n:], t.entries[:n])
	}
	return nil
}

// huffman fills dst from data, all of which it must take, with a code that is
// told there.
func (d *decoder) huffman(dst, data []byte) error {
	lengths, size, err := getLengths(data)
	if err != nil {
		return err
	}
	table := &d.tables[d.codes%codesKept]
	if err := table.build(&lengths); err != nil {
		return err
	}
	d.codes++
	return table.decode(dst, data[size:])
}

// again fills dst from data with an earlier code.
func (d *decoder) again(dst, data []byte) error {
	if len(data) == 0 || int(data[0]) >= min(d.codes, codesKept) {
		return errors.New("reference to a Huffman code that does not precede")
	}
	return d.tables[(d.codes-1-int(data[0]))%codesKept].decode(dst, data[1:])
}

// decode fills dst from the parts in data, all of which it must take.
func (t *huffmanTable) decode(dst, data []byte) error {
	var parts [huffmanParts]huffmanPart
	at, each := 0, (len(dst)+huffmanParts-1)/huffmanParts
	for i := range parts {
		p := &parts[i]
		p.out, p.outEnd = min(i*each, len(dst)), min((i+1)*each, len(dst))
		p.at, p.end = at, len(data)
		if i < huffmanParts-1 {
			n, k := binary.Uvarint(data)
			if k <= 0 || n > uint64(len(data)) {
				return errors.New("invalid size of a Huffman part")
			}
			at, data = at+int(n), data[k:]
			p.end = at
		}
	}
	if at > len(data) {
		return fmt.Errorf("the first Huffman parts have %d bytes, all have %d", at, len(data))
	}
	parts[huffmanParts-1].end = len(data)
	t.decode4(dst, data, &parts)
	for i := range parts {
		if err := t.decodeRest(dst, data, parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// huffmanPart is how far a part has been decoded.
type huffmanPart struct {
	acc         uint64 // bits taken over from the data: n of them, and above these perhaps some that follow
	n           uint
	at, end     int // next byte to take over, end of the part
	out, outEnd int // next byte to write, end of these
}

// decodeRest decodes the rest of a part, byte by byte, and demands that the
// part ends with it.
func (t *huffmanTable) decodeRest(dst, data []byte, p huffmanPart) error {
	p.acc &= 1<<p.n - 1
	fill := func() {
		for p.n < 56 && p.at < p.end {
			p.acc |= uint64(data[p.at]) << p.n
			p.at++
			p.n += 8
		}
	}
	for i := p.out; i < p.outEnd; i++ {
		fill()
		e := t.entries[p.acc&indexBits]
		n := uint(e & 0xff)
		if n > p.n {
			return errors.New("truncated Huffman part")
		}
		dst[i] = byte(e >> 8)
		p.acc >>= n
		p.n -= n
	}
	fill()
	if p.at != p.end || p.n >= 8 || p.acc != 0 {
		return errors.New("data after the last code of a Huffman part")
	}
	return nil
}

// decode4 decodes the four parts in turns, ten bytes of each, as far as all
// have the room.
func (t *huffmanTable) decode4(dst, data []byte, parts *[huffmanParts]huffmanPart) {
	for {
		turns := len(dst)
		for i := range parts {
			p := &parts[i]
			// A turn moves on by 14 bytes at most and loads 8 at a time.
			turns = min(turns, (p.end-p.at-1)/14, (p.outEnd-p.out)/10)
		}
		if turns <= 0 {
			return
		}
		for range turns {
			t.ten(dst, data, &parts[0], &parts[1])
			t.ten(dst, data, &parts[2], &parts[3])
		}
	}
}

// ten decodes ten bytes of two parts.
func (t *huffmanTable) ten(dst, data []byte, p, q *huffmanPart) {
	outP, outQ := (*[10]byte)(dst[p.out:]), (*[10]byte)(dst[q.out:])
	p.out, q.out = p.out+10, q.out+10
	inP, inQ := data[p.at:p.at+15], data[q.at:q.at+15]
	// Take over whole bytes, up to 56 bits or more: enough for five codes. Bits
	// that are in acc above n already come again to the same place.
	accP, nP := p.acc|binary.LittleEndian.Uint64(inP)<<(p.n&63), p.n|56
	accQ, nQ := q.acc|binary.LittleEndian.Uint64(inQ)<<(q.n&63), q.n|56
	tookP, tookQ := (63-p.n)>>3, (63-q.n)>>3
	accP, nP, accQ, nQ = t.five(accP, nP, accQ, nQ, (*[5]byte)(outP[:5]), (*[5]byte)(outQ[:5]))
	accP |= binary.LittleEndian.Uint64(inP[tookP&7:]) << (nP & 63)
	accQ |= binary.LittleEndian.Uint64(inQ[tookQ&7:]) << (nQ & 63)
	p.at += int(tookP + (63-nP)>>3)
	q.at += int(tookQ + (63-nQ)>>3)
	p.acc, p.n, q.acc, q.n = t.five(accP, nP|56, accQ, nQ|56, (*[5]byte)(outP[5:]), (*[5]byte)(outQ[5:]))
}

// five decodes five bytes of two parts from at least 55 bits of each: a code waits
// for the table's word on the one before, and two wait together. In n and m, from
// which it takes the numbers of bits, only the low six bits mean something before
// and after.
func (t *huffmanTable) five(a uint64, n uint, b uint64, m uint, x, y *[5]byte) (uint64, uint, uint64, uint) {
	// The processor takes a shift modulo 64: the byte above the length in an entry
	// does not matter to it.
	e, f := uint(t.entries[a&indexBits]), uint(t.entries[b&indexBits])
	x[0], y[0] = byte(e>>8), byte(f>>8)
	a, b, n, m = a>>(e&63), b>>(f&63), n-e, m-f
	e, f = uint(t.entries[a&indexBits]), uint(t.entries[b&indexBits])
	x[1], y[1] = byte(e>>8), byte(f>>8)
	a, b, n, m = a>>(e&63), b>>(f&63), n-e, m-f
	e, f = uint(t.entries[a&indexBits]), uint(t.entries[b&indexBits])
	x[2], y[2] = byte(e>>8), byte(f>>8)
	a, b, n, m = a>>(e&63), b>>(f&63), n-e, m-f
	e, f = uint(t.entries[a&indexBits]), uint(t.entries[b&indexBits])
	x[3], y[3] = byte(e>>8), byte(f>>8)
	a, b, n, m = a>>(e&63), b>>(f&63), n-e, m-f
	e, f = uint(t.entries[a&indexBits]), uint(t.entries[b&indexBits])
	x[4], y[4] = byte(e>>8), byte(f>>8)
	return a >> (e & 63), (n - e) & 63, b >> (f & 63), (m - f) & 63
}
