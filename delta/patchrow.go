package delta

import (
	"encoding/binary"
	"math/bits"
)

// PatchRow puts the kept values of one row into dst, which holds the base's
// row: [Columns]. It is made for tensors in row order, where it takes a
// nanosecond or two a value and, with gaps, a few for the rows of the tile that
// come before.
func (m *Masked) PatchRow(row int, dst []float32) {
	t, ok := m.find(row / m.Height)
	if !ok {
		return
	}
	in := row % m.Height
	if !m.RowMajor {
		m.each(t, func(i, r, c int) {
			if r == in {
				dst[c] = m.value(i, t, r, dst[c])
			}
		})
		return
	}
	p := rowPatch{m: m, dst: dst[:m.Columns], next: m.start(t)}
	if m.Coding.scaled() {
		p.scale = m.scale(t, in)
	}
	switch {
	case m.Gaps != nil:
		p.gaps(t, in)
	case m.Mask8 != nil:
		p.bitmap(t)
	default:
		for c := range m.Columns {
			p.add(uint32(c))
		}
	}
	p.flush()
}

// rowPatch puts values into one row, a few at a time, so that what to do for
// the coding is decided once for many.
type rowPatch struct {
	m       *Masked
	dst     []float32
	scale   float32
	next    int // value
	n       int
	columns [64]uint32 // n of them; the top bit is the sign if it is not elsewhere
}

const columnSign = 1 << 31

func (p *rowPatch) add(column uint32) {
	p.columns[p.n&63] = column
	if p.n++; p.n == len(p.columns) {
		p.flush()
	}
}

// bitmap adds the columns of a mask.
func (p *rowPatch) bitmap(t int) {
	stride := (p.m.Columns + 7) / 8
	mask := p.m.Mask8[t*stride : (t+1)*stride]
	for at := 0; at < len(mask); at += 8 {
		var word uint64
		if at+8 <= len(mask) {
			word = binary.LittleEndian.Uint64(mask[at:])
		} else {
			for i, b := range mask[at:] {
				word |= uint64(b) << (8 * i)
			}
		}
		for ; word != 0; word &= word - 1 {
			p.add(uint32(8*at + bits.TrailingZeros64(word)))
		}
	}
}

// gaps adds the columns of a row in a tile's gaps.
func (p *rowPatch) gaps(t, row int) {
	code := p.m.Coding.gapCode()
	gaps, _ := p.m.gaps(t)
	column := -1 - row*p.m.Columns
	for len(gaps) >= 8 { // eight bytes at a time, as long as they lie before the row
		passed, kept, _ := code.sum8(binary.LittleEndian.Uint64(gaps))
		if column+passed >= 0 {
			break
		}
		column += passed
		p.next += kept
		gaps = gaps[8:]
	}
	for _, b := range gaps {
		low := b & code.low
		column += int(low)
		if low == code.skip {
			continue
		}
		if column++; column >= p.m.Columns {
			return
		}
		if column >= 0 {
			p.add(uint32(column) | uint32(b&^code.low)<<24)
		} else {
			p.next++
		}
	}
}

// flush applies the values of the columns that were added.
func (p *rowPatch) flush() {
	m, dst := p.m, p.dst
	columns := p.columns[:p.n&127]
	from := p.next
	switch m.Coding {
	case Float32:
		values := m.Float32s[from:][:len(columns)]
		for j, c := range columns {
			dst[c] = values[j]
		}
	case BFloat16:
		values := m.BFloat16s[from:][:len(columns)]
		for j, c := range columns {
			dst[c] = bfloat16Value(dst[c], values[j])
		}
	case Int8:
		values := m.Int8s[from:][:len(columns)]
		for j, c := range columns {
			dst[c] = stepsValue(dst[c], p.scale, values[j])
		}
	case Int4:
		for j, c := range columns {
			dst[c] = stepsValue(dst[c], p.scale, nibble(m.Int4s, from+j))
		}
	case Sign:
		if m.Gaps != nil {
			for _, c := range columns {
				up := c&columnSign != 0
				c &^= columnSign
				dst[c] = signValue(dst[c], p.scale, up)
			}
			break
		}
		for j, c := range columns {
			dst[c] = signValue(dst[c], p.scale, m.Signs[(from+j)>>3]>>((from+j)&7)&1 == 1)
		}
	}
	p.next += p.n
	p.n = 0
}
