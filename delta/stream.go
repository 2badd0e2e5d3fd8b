package delta

import (
	"encoding/binary"
	"fmt"

	"kenserve/internal/sparse"
)

// The ways of writing a byte stream in the small layout.
const (
	streamRaw     = 0 // as it is
	streamOne     = 1 // one byte, of which the whole stream consists
	streamHuffman = 2
	streamRare    = 3 // one byte, and gaps to those that differ from it
	streamAgain   = 4 // the Huffman code of an earlier stream
)

// rareDepth is how deep streams of rare bytes may lie in each other.
const rareDepth = 3

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
		return streamOne, src[:1]
	}
	kind, body = streamRaw, src
	// What saves less than a hundredth is not worth the reader's time.
	worth := len(src) - len(src)/100 - 16
	before := len(p.codes)
	if depth < rareDepth && counts[common] > len(src)/2 {
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
		return streamAgain, packed
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

// decoder reads the parts of packed tensors, one after the other in the order
// in which they were written.
type decoder struct {
	data   []byte
	tables [codesKept]huffmanTable // of the last codes, number i at i % codesKept
	codes  int                     // so far
	rares  [rareDepth]struct{ gaps, others []byte }

	buffer    []byte   // of planes, or of signs
	positions []uint32 // of a tile
	bases     []uint32 // at these positions, ordered
	touched   byte     // of no meaning: loads must not be left out
	gaps      []byte   // as they run through all units
	used      []byte   // which units there are
	spans     []span

	// What the last tensor consists of.
	where     []byte // bitmaps or gaps
	float32s  []float32
	bfloat16s []uint16
	bytes     []byte // values of the other codings
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) ([]byte, error) {
	if n > uint64(len(d.data)) {
		return nil, fmt.Errorf("%w: it ends %d bytes early", ErrPacked, n-uint64(len(d.data)))
	}
	out := d.data[:n]
	d.data = d.data[n:]
	return out, nil
}

// number reads a number of at most limit.
func (d *decoder) number(what string, limit int) (int, error) {
	n, k := binary.Uvarint(d.data)
	if k <= 0 {
		return 0, fmt.Errorf("%w: no number of %s", ErrPacked, what)
	}
	d.data = d.data[k:]
	if n > uint64(limit) {
		return 0, fmt.Errorf("%w: %d %s, at most %d", ErrPacked, n, what, limit)
	}
	return int(n), nil
}

// stream fills dst with the next stream.
func (d *decoder) stream(dst []byte) error { return d.streamAt(dst, 0) }

// streamAt reads a stream that lies in depth others.
func (d *decoder) streamAt(dst []byte, depth int) error {
	kind, err := d.take(1)
	if err != nil {
		return err
	}
	if kind[0] == streamRaw {
		body, err := d.take(uint64(len(dst)))
		copy(dst, body)
		return err
	}
	if len(dst) == 0 {
		return fmt.Errorf("%w: a stream of nothing is not kept as it is", ErrPacked)
	}
	if kind[0] == streamOne {
		body, err := d.take(1)
		if err == nil {
			fill(dst, body[0])
		}
		return err
	}
	size, n := binary.Uvarint(d.data)
	if n <= 0 {
		return fmt.Errorf("%w: no size of a stream", ErrPacked)
	}
	d.data = d.data[n:]
	body, err := d.take(size)
	if err != nil {
		return err
	}
	switch {
	case kind[0] == streamHuffman:
		return d.huffman(dst, body)
	case kind[0] == streamAgain:
		return d.again(dst, body)
	case kind[0] == streamRare && depth < rareDepth:
		return d.rare(dst, body, depth)
	}
	return fmt.Errorf("%w: stream of kind %d in %d others", ErrPacked, kind[0], depth)
}

// rare fills dst with one byte and puts the others to their places.
func (d *decoder) rare(dst, body []byte, depth int) error {
	behind := d.data
	defer func() { d.data = behind }()
	d.data = body
	common, err := d.take(1)
	if err != nil {
		return err
	}
	others, err := d.number("rare bytes", len(dst))
	if err != nil {
		return err
	}
	gaps, err := d.number("gap bytes", len(dst)) // each passes over one byte at least
	if err != nil {
		return err
	}
	r := &d.rares[depth]
	r.gaps, r.others = resize(r.gaps, gaps), resize(r.others, others)
	if err := d.streamAt(r.gaps, depth+1); err != nil {
		return err
	}
	if err := d.streamAt(r.others, depth+1); err != nil {
		return err
	}
	if len(d.data) > 0 {
		return fmt.Errorf("%w: %d bytes behind a stream", ErrPacked, len(d.data))
	}
	kept, last, err := sparse.PlainGaps.Scan(r.gaps)
	if err != nil {
		return err
	}
	if kept != others || last >= len(dst) {
		return fmt.Errorf("%w: %d rare bytes up to place %d, want %d in %d", ErrPacked, kept, last, others, len(dst))
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

// resize returns a slice of n elements, x if it can hold them.
func resize[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}
