package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// huffmanTable is a decoding table. Its index is the next maxCodeBits bits of a
// part. The entry has the length of the code that these bits begin with in its low
// byte, and the decoded byte in its high byte.
type huffmanTable struct {
	entries [1 << maxCodeBits]uint16
}

// indexBits is the mask of the bits that are the index of an entry.
const indexBits = 1<<maxCodeBits - 1

// build fills the table for a code.
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

// huffman decodes data into dst. data begins with the code-length table, and must
// have nothing after the last code.
func (u *unpacker) huffman(dst, data []byte) error {
	lengths, size, err := getLengths(data)
	if err != nil {
		return err
	}
	table := &u.tables[u.codes%maxEarlierCodes]
	if err := table.build(&lengths); err != nil {
		return err
	}
	u.codes++
	return table.decode(dst, data[size:])
}

// huffmanReuse decodes data into dst. data begins with the number of an earlier
// code, and must have nothing after the last code.
func (u *unpacker) huffmanReuse(dst, data []byte) error {
	if len(data) == 0 || int(data[0]) >= min(u.codes, maxEarlierCodes) {
		return errors.New("reference to a Huffman code that does not precede")
	}
	return u.tables[(u.codes-1-int(data[0]))%maxEarlierCodes].decode(dst, data[1:])
}

// decode decodes the four parts in data into dst. data begins with the sizes of the
// first three parts, and must have nothing after the last.
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

// huffmanPart is the state of decoding one part.
type huffmanPart struct {
	acc         uint64 // n bits that are loaded and not decoded; higher bits may repeat bits that follow
	n           uint
	at, end     int // the next byte of the data to load, and the end of the part
	out, outEnd int // the next byte to write, and the end of the part's bytes
}

// decodeRest decodes the rest of a part, byte by byte, and checks that the part
// ends there.
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

// decode4 decodes the four parts in turns of ten bytes of each part, as long as
// all of them have data and room for a turn.
func (t *huffmanTable) decode4(dst, data []byte, parts *[huffmanParts]huffmanPart) {
	for {
		turns := len(dst)
		for i := range parts {
			p := &parts[i]
			// A turn uses at most 14 bytes of a part and loads 8 bytes at a time.
			turns = min(turns, (p.end-p.at-1)/14, (p.outEnd-p.out)/10)
		}
		if turns <= 0 {
			return
		}
		for range turns {
			t.decodeTen(dst, data, &parts[0], &parts[1])
			t.decodeTen(dst, data, &parts[2], &parts[3])
		}
	}
}

// decodeTen decodes ten bytes of each of two parts.
func (t *huffmanTable) decodeTen(dst, data []byte, p, q *huffmanPart) {
	outP, outQ := (*[10]byte)(dst[p.out:]), (*[10]byte)(dst[q.out:])
	p.out, q.out = p.out+10, q.out+10
	inP, inQ := data[p.at:p.at+15], data[q.at:q.at+15]
	// Load whole bytes until acc has 56 bits or more, enough for five codes. The
	// bits in acc above the lowest n are loaded again, to the same place.
	accP, nP := p.acc|binary.LittleEndian.Uint64(inP)<<(p.n&63), p.n|56
	accQ, nQ := q.acc|binary.LittleEndian.Uint64(inQ)<<(q.n&63), q.n|56
	tookP, tookQ := (63-p.n)>>3, (63-q.n)>>3
	accP, nP, accQ, nQ = t.decodeFive(accP, nP, accQ, nQ, (*[5]byte)(outP[:5]), (*[5]byte)(outQ[:5]))
	accP |= binary.LittleEndian.Uint64(inP[tookP&7:]) << (nP & 63)
	accQ |= binary.LittleEndian.Uint64(inQ[tookQ&7:]) << (nQ & 63)
	p.at += int(tookP + (63-nP)>>3)
	q.at += int(tookQ + (63-nQ)>>3)
	p.acc, p.n, q.acc, q.n = t.decodeFive(accP, nP|56, accQ, nQ|56, (*[5]byte)(outP[5:]), (*[5]byte)(outQ[5:]))
}

// decodeFive decodes five bytes of each of two parts, from at least 55 bits of each,
// a and b. Each code can only be looked up when the length of its predecessor is
// known, so the look-ups of the two parts alternate. It subtracts the used bits
// from n and m, of which only the low six bits count, before and after.
func (t *huffmanTable) decodeFive(a uint64, n uint, b uint64, m uint, x, y *[5]byte) (uint64, uint, uint64, uint) {
	// A shift by e&63 compiles to a plain shift, which ignores the higher bits of e:
	// the length need not be separated from the decoded byte above it.
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
