package pack

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kenserve/internal/sparse"
)

// The ways of writing a byte stream in the small layout.
const (
	streamRaw          = 0 // as it is
	streamConstant     = 1 // one byte, of which the whole stream consists
	streamHuffman      = 2
	streamRare         = 3 // one byte, and gaps to those that differ from it
	streamHuffmanReuse = 4 // the Huffman code of an earlier stream
)

// maxRareDepth is how deep streams of rare bytes may lie in each other.
const maxRareDepth = 3

// stream appends src in the way that takes the fewest bytes: the kind, for those
// from Huffman codes on the size of what follows, and the rest. The size of src
// is for the reader to know.
func (p *packer) stream(out, src []byte) []byte { return p.streamAt(out, src, 0) }

// streamAt appends a stream that lies in depth others.
func (p *packer) streamAt(out, src []byte, depth int) []byte {
	kind, body := p.pack(src, depth)
	out = append(out, kind)
	if kind >= streamHuffman {
		out = binary.AppendUvarint(out, uint64(len(body)))
	}
	return append(out, body...)
}

func (p *packer) pack(src []byte, depth int) (kind byte, body []byte) {
	var counts [256]int
	for _, b := range src {
		counts[b]++
	}
	different, common := 0, 0
	for b, n := range counts {
		if n > 0 {
			different++
		}
		if n > counts[common] {
			common = b
		}
	}
	switch different {
	case 0:
		return streamRaw, nil
	case 1:
		return streamConstant, src[:1]
	}
	kind, body = streamRaw, src
	// What saves less than a hundredth is not worth the reader's time.
	worth := len(src) - len(src)/100 - 16
	before := len(p.codes)
	if depth < maxRareDepth && counts[common] > len(src)/2 {
		if packed := p.rare(nil, src, byte(common), len(src)-counts[common], depth); len(packed) < worth {
			kind, body = streamRare, packed
		}
	}
	afterRare := p.codes[before:]
	p.codes = p.codes[:before:before] // both ways begin with the same codes
	again, packed := p.huffman(nil, src, &counts)
	switch {
	case len(packed) >= min(worth, len(body)):
	case again:
		return streamHuffmanReuse, packed
	default:
		return streamHuffman, packed
	}
	p.codes = p.codes[:before]
	if kind == streamRare {
		p.codes = append(p.codes, afterRare...)
	}
	return kind, body
}

// rare appends src as its most frequent byte, the number of the others,
// the number of bytes of their gaps, and two streams: the gaps, and the others.
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

// stream fills dst with the next stream.
func (u *unpacker) stream(dst []byte) error { return u.streamAt(dst, 0) }

// streamAt reads a stream that lies in depth others.
func (u *unpacker) streamAt(dst []byte, depth int) error {
	kind, err := u.take(1)
	if err != nil {
		return err
	}
	if kind[0] == streamRaw {
		body, err := u.take(uint64(len(dst)))
		copy(dst, body)
		return err
	}
	if len(dst) == 0 {
		return fmt.Errorf("an empty stream must use encoding %d", streamRaw)
	}
	if kind[0] == streamConstant {
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
	case kind[0] == streamHuffman:
		return u.huffman(dst, body)
	case kind[0] == streamHuffmanReuse:
		return u.huffmanReuse(dst, body)
	case kind[0] == streamRare && depth < maxRareDepth:
		return u.rare(dst, body, depth)
	}
	return fmt.Errorf("stream of encoding %d at depth %d", kind[0], depth)
}

// rare fills dst with one byte and puts the others to their places.
func (u *unpacker) rare(dst, body []byte, depth int) error {
	behind := u.data
	defer func() { u.data = behind }()
	u.data = body
	common, err := u.take(1)
	if err != nil {
		return err
	}
	others, err := u.number("rare bytes", len(dst))
	if err != nil {
		return err
	}
	gaps, err := u.number("gap bytes", len(dst)) // each passes over one byte at least
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
