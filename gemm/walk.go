package gemm

import (
	"math"
	"math/bits"
)

// walk goes through one panel of a patched matrix, a block of lines after the
// other, from the first input to the last. What the patch says of the panel's
// two tiles lies in the same order, so that each tile needs to remember no more
// than where it is.
type walk struct {
	base  []line // the rest of the base's panel
	tiles [2]tileWalk
	marks marks // of all of it, once they are made
}

// tileWalk is how far a walk has come in one tile.
type tileWalk struct {
	p      *Patch // nil if the tile does not change
	half   int    // the tile's first column in the panel: 0 or 16
	value  int    // index of the next value
	values int    // in all of the tile
	// The rest of the tile's masks or gaps. Next is the position of the next
	// block's first line, last that of the value before the next gap.
	masks      []uint16
	gaps       []byte
	next, last int
	scales     [tileRows]float32
}

// walk begins at the first line of a panel, and tells whether it changes.
func (m *Matrix) walk(p *Patch, panel int) (w walk, changes bool) {
	w.base = m.panel(panel)
	first, end := p.tiles(panel)
	for i := first; i < end; i++ {
		half := int(p.Tiles[i]) % 2
		t := &w.tiles[half]
		t.p, t.half, t.value, t.last = p, half*tileRows, p.start(i), -1
		t.values = int(p.Ends[i]) - t.value
		if p.Gaps != nil {
			t.gaps = p.gaps(i)
		} else {
			t.masks = p.Masks[i*m.k:][:m.k]
		}
		switch len(p.Scales) {
		case 0:
		case 1:
			for r := range t.scales {
				t.scales[r] = p.Scales[0]
			}
		default:
			copy(t.scales[:], p.Scales[i*tileRows:])
		}
		changes = true
	}
	return w, changes && m.k > 0
}

// readPortable stores the next len(dst) lines of the patched panel in dst.
func (w *walk) readPortable(dst []line) {
	copy(dst, w.base)
	w.base = w.base[len(dst):]
	for i := range w.tiles {
		if w.tiles[i].p != nil {
			w.tiles[i].patchPortable(dst)
		}
	}
}

// patchPortable puts the tile's values into the next lines, which hold the base's.
func (t *tileWalk) patchPortable(lines []line) { t.apply(batch{t: t, lines: lines}) }

func (t *tileWalk) apply(b batch) {
	if t.gaps != nil {
		b.gaps()
	} else {
		b.masks()
	}
	b.apply()
}

// batch is a handful of places that get a value, so that what to do for the
// coding is decided once for many. A value goes into the lines or, if it is a
// sign among the gaps and there are marks instead, becomes one of these.
type batch struct {
	t     *tileWalk
	lines []line
	marks *marks
	n     int
	at    [64]place
}

// size returns how many lines there are.
func (b *batch) size() int {
	if b.marks != nil {
		return len(b.marks.lines)
	}
	return len(b.lines)
}

// place is where a value goes: 32·line + column. The top bit is the value's sign
// if that was among the gaps.
type place uint32

const placeSign place = 1 << 31

func (b *batch) add(p place) {
	b.at[b.n&63] = p
	if b.n++; b.n == len(b.at) {
		b.apply()
	}
}

// masks adds the places of the next lines' masks.
func (b *batch) masks() {
	t := b.t
	for k, mask := range t.masks[:b.size()] {
		for ; mask != 0; mask &= mask - 1 {
			b.add(place(k*panelWidth + t.half + bits.TrailingZeros16(mask)))
		}
	}
	t.masks = t.masks[b.size():]
}

// gaps adds the places in the next lines that gaps lead to.
func (b *batch) gaps() {
	t := b.t
	low, skip := byte(0xff), byte(0xff)
	if t.p.signed() {
		low, skip = 0x7f, 0x7f
	}
	first, end := t.next, t.next+b.size()*tileRows
	n := 0
	for _, gap := range t.gaps {
		position := t.last + int(gap&low)
		if gap&low != skip {
			position++
		}
		if position >= end {
			break
		}
		n++
		t.last = position
		if gap&low != skip {
			at := position - first
			b.add(place(at/tileRows*panelWidth+t.half+at%tileRows) | place(gap&^low)<<24)
		}
	}
	t.gaps = t.gaps[n:]
	t.next = end
}

// weight returns the weight at a place, and its row in the tile.
func (b *batch) weight(p place) (*float32, int) {
	return &b.lines[p&^placeSign/panelWidth][p%panelWidth], int(p % tileRows)
}

// apply gives the places their values. The conversions keep the compiler from
// fusing product and sum.
func (b *batch) apply() {
	t := b.t
	p, from := t.p, t.value
	at := b.at[:b.n&127]
	t.value += len(at)
	b.n = 0
	switch {
	case b.marks != nil:
		for _, a := range at {
			b.marks.add(int(a&^placeSign/panelWidth), int(a%panelWidth), uint32(a>>31))
		}
	case p.Float32s != nil:
		for i, v := range p.Float32s[from:][:len(at)] {
			w, _ := b.weight(at[i])
			*w = v
		}
	case p.BFloat16s != nil:
		for i, v := range p.BFloat16s[from:][:len(at)] {
			w, _ := b.weight(at[i])
			*w += math.Float32frombits(uint32(v) << 16)
		}
	case p.Int8s != nil:
		for i, v := range p.Int8s[from:][:len(at)] {
			w, row := b.weight(at[i])
			*w += float32(t.scales[row] * float32(v))
		}
	case p.Int4s != nil:
		for i, a := range at {
			w, row := b.weight(a)
			*w += float32(t.scales[row] * float32(nibble(p.Int4s, from+i)))
		}
	case p.Signs != nil:
		for i, a := range at {
			w, row := b.weight(a)
			n := uint(from + i)
			*w += signed(t.scales[row], uint32(p.Signs[n>>3]>>(n&7)&1))
		}
	default:
		for _, a := range at {
			w, row := b.weight(a)
			*w += signed(t.scales[row], uint32(a>>31))
		}
	}
}

// signed returns scale if up is 1, -scale if it is 0. A branch would be
// mispredicted every other time.
func signed(scale float32, up uint32) float32 {
	return math.Float32frombits(math.Float32bits(scale) ^ (up^1)<<31)
}

// nibble returns value i of a stream of two values a byte.
func nibble(stream []byte, i int) int8 { return int8(stream[i>>1]>>(i&1*4)<<4) >> 4 }
