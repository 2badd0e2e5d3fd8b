package pack

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kenserve/internal/sparse"
)

// The encodings of a byte stream, its first byte.
const (
	streamRaw          = 0 // the bytes
	streamConstant     = 1 // one byte, to which all bytes are equal
	streamHuffman      = 2 // a Huffman code and the bytes in it
	streamRare         = 3 // the most frequent byte, and positions and values of the others
	streamHuffmanReuse = 4 // the bytes in the Huffman code of an earlier stream
)

// maxRareDepth is how deep streams of rare bytes may be nested.
const maxRareDepth = 3

// stream appends src in the encoding that takes the fewest bytes. It does not write
// the length of src: the reader knows it.
func (p *packer) stream(out, src []byte) []byte { return p.streamAt(out, src, 0) }

// streamAt appends a stream that is nested in depth streams of rare bytes.
func (p *packer) streamAt(out, src []byte, depth int) []byte {
	encoding, body := p.encode(src, depth)
	out = append(out, encoding)
	if encoding >= streamHuffman {
		out = binary.AppendUvarint(out, uint64(len(body)))
	}
	return append(out, body...)
}

// encode returns the best encoding of src and what follows its byte, without the
// size.
func (p *packer) encode(src []byte, depth int) (encoding byte, body []byte) {
	var counts [256]int
	for _, b := range src {
		counts[b]++
	}
	distinct, common := 0, 0
	for b, n := range counts {
		if n > 0 {
			distinct++
		}
		if n > counts[common] {
			common = b
		}
	}
	switch distinct {
	case 0:
		return streamRaw, nil
	case 1:
		return streamConstant, src[:1]
	}
	encoding, body = streamRaw, src
	// An encoding must save more than 1% and 16 bytes to be worth decoding.
	limit := len(src) - len(src)/100 - 16
	before := len(p.codes)
	if depth < maxRareDepth && counts[common] > len(src)/2 {
		if packed := p.rare(nil, src, byte(common), len(src)-counts[common], depth); len(packed) < limit {
			encoding, body = streamRare, packed
		}
	}
	afterRare := p.codes[before:]
	p.codes = p.codes[:before:before] // both encodings start from the same codes
	reused, packed := p.huffman(nil, src, &counts)
	switch {
	case len(packed) >= min(limit, len(body)):
	case reused:
		return streamHuffmanReuse, packed
	default:
		return streamHuffman, packed
	}
	p.codes = p.codes[:before]
	if encoding == streamRare {
		p.codes = append(p.codes, afterRare...)
	}
	return encoding, body
}

// rare appends src as common, its most frequent byte, and the others: their number,
// the number of bytes of their gaps, a stream of the gaps, and a stream of the
// others themselves.
func (p *packer) rare(out, src []byte, common byte, others, depth int) []byte {
	gaps := make([]byte, 0, others+len(src)/256)
	values := make([]byte, 0, others)
	before := -1
	for i, b := range src {
		if b != common {
			gaps = sparse.PlainGaps.Append(gaps, i-before)
			values = append(values, b)
			before = i
		}
	}
	out = append(out, common)
	out = binary.AppendUvarint(out, uint64(others))
	out = binary.AppendUvarint(out, uint64(len(gaps)))
	out = p.streamAt(out, gaps, depth+1)
	return p.streamAt(out, values, depth+1)
}

// stream reads a stream of len(dst) bytes into dst.
func (u *unpacker) stream(dst []byte) error { return u.streamAt(dst, 0) }

// streamAt reads a stream that is nested in depth streams of rare bytes.
func (u *unpacker) streamAt(dst []byte, depth int) error {
	encoding, err := u.take(1)
	if err != nil {
		return err
	}
	if encoding[0] == streamRaw {
		body, err := u.take(uint64(len(dst)))
		copy(dst, body)
		return err
	}
	if len(dst) == 0 {
		return fmt.Errorf("an empty stream must use encoding %d", streamRaw)
	}
	if encoding[0] == streamConstant {
		body, err := u.take(1)
		if err == nil {
			fill(dst, body[0])
		}
		return err
	}
	size, n := binary.Uvarint(u.data)
	if n <= 0 {
		return errors.New("truncated size of a stream")
	}
	u.data = u.data[n:]
	body, err := u.take(size)
	if err != nil {
		return err
	}
	switch {
	case encoding[0] == streamHuffman:
		return u.huffman(dst, body)
	case encoding[0] == streamHuffmanReuse:
		return u.huffmanReuse(dst, body)
	case encoding[0] == streamRare && depth < maxRareDepth:
		return u.rare(dst, body, depth)
	}
	return fmt.Errorf("stream of encoding %d at depth %d", encoding[0], depth)
}

// rare decodes body, a stream of rare bytes, into dst.
func (u *unpacker) rare(dst, body []byte, depth int) error {
	rest := u.data
	defer func() { u.data = rest }()
	u.data = body
	common, err := u.take(1)
	if err != nil {
		return err
	}
	others, err := u.number("rare bytes", len(dst))
	if err != nil {
		return err
	}
	gaps, err := u.number("gap bytes", len(dst)) // each moves on by a byte or more
	if err != nil {
		return err
	}
	r := &u.rares[depth]
	r.gaps, r.others = resize(r.gaps, gaps), resize(r.others, others)
	if err := u.streamAt(r.gaps, depth+1); err != nil {
		return err
	}
	if err := u.streamAt(r.others, depth+1); err != nil {
		return err
	}
	if len(u.data) > 0 {
		return fmt.Errorf("%d bytes after the end of a stream of rare bytes", len(u.data))
	}
	kept, last, err := sparse.PlainGaps.Scan(r.gaps)
	if err != nil {
		return err
	}
	if kept != others || last >= len(dst) {
		return fmt.Errorf("%d rare bytes with the last at %d, want %d in a stream of %d", kept, last, others, len(dst))
	}
	fill(dst, common[0])
	at, i := -1, 0
	for _, gap := range r.gaps {
		at += int(gap)
		if gap == sparse.PlainGaps.Skip {
			continue
		}
		at++
		dst[at] = r.others[i]
		i++
	}
	return nil
}

// fill sets all bytes of dst to b.
func fill(dst []byte, b byte) {
	if len(dst) == 0 {
		return
	}
	dst[0] = b
	for n := 1; n < len(dst); n *= 2 {
		copy(dst[n:], dst[:n])
	}
}
