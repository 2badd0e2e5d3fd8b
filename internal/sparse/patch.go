package sparse

import (
	"encoding/binary"
	"math/bits"
)

// PatchRows puts the kept values of the rows first, first+1, … into dst, which
// holds the base's values: [rows, Columns], row-major. The tensor must be checked.
func (t *Tensor) PatchRows(first int, dst []float32) {
	rows := len(dst) / max(t.Columns, 1)
	i, _ := t.findTile(first / t.Height)
	for ; i < t.StoredTiles() && t.TileIndex(i)*t.Height < first+rows; i++ {
		at := t.TileIndex(i)*t.Height - first // of the tile's first row in dst; negative if that is before dst
		t.Each(i, func(value, r, c int) {
			if r += at; r >= 0 && r < rows {
				p := &dst[r*t.Columns+c]
				*p = t.value(value, i, r-at, *p)
			}
		})
	}
}

// PatchRow puts the kept values of one row into dst, which holds the base's
// values: [Columns]. The tensor must be checked. It is made for RowMajor tensors,
// where it takes a nanosecond or two a value and, with gaps, a few nanoseconds for
// each row of the tile that precedes.
func (t *Tensor) PatchRow(row int, dst []float32) {
	i, ok := t.findTile(row / t.Height)
	if !ok {
		return
	}
	in := row % t.Height
	if !t.RowMajor {
		t.Each(i, func(value, r, c int) {
			if r == in {
				dst[c] = t.value(value, i, r, dst[c])
			}
		})
		return
	}
	p := rowPatch{t: t, dst: dst[:t.Columns], next: t.ValueStart(i)}
	if t.Coding.Scaled() {
		p.scale = t.scale(i, in)
	}
	switch {
	case t.Gaps != nil:
		p.addGaps(i, in)
	case t.Mask8 != nil:
		p.addMask(i)
	default:
		for c := range t.Columns {
			p.add(uint32(c))
		}
	}
	p.flush()
}

// rowPatch collects kept columns of one row and applies them in batches, so that
// it branches on the coding once a batch and not once a value.
type rowPatch struct {
	t       *Tensor
	dst     []float32
	scale   float32
	next    int // index of the first collected column's value
	n       int
	columns [64]uint32 // n columns; the top bit is the sign if signs are in the gaps
}

// columnSign is the bit of a collected column that holds the value's sign.
const columnSign = 1 << 31

func (p *rowPatch) add(column uint32) {
	p.columns[p.n&63] = column
	if p.n++; p.n == len(p.columns) {
		p.flush()
	}
}

// addMask adds the columns of stored tile i's mask, which has one row.
func (p *rowPatch) addMask(i int) {
	stride := (p.t.Columns + 7) / 8
	mask := p.t.Mask8[i*stride : (i+1)*stride]
	for at := 0; at < len(mask); at += 8 {
		var word uint64
		if at+8 <= len(mask) {
			word = binary.LittleEndian.Uint64(mask[at:])
		} else {
			for j, b := range mask[at:] {
				word |= uint64(b) << (8 * j)
			}
		}
		for ; word != 0; word &= word - 1 {
			p.add(uint32(8*at + bits.TrailingZeros64(word)))
		}
	}
}

// addGaps adds the columns of a row in the gaps of stored tile i.
func (p *rowPatch) addGaps(i, row int) {
	code := p.t.Coding.GapCode()
	gaps := p.t.TileGaps(i)
	column := -1 - row*p.t.Columns
	for len(gaps) >= 8 { // eight bytes at a time, while all of them are before the row
		moved, kept, _ := code.Sum8(binary.LittleEndian.Uint64(gaps))
		if column+moved >= 0 {
			break
		}
		column += moved
		p.next += kept
		gaps = gaps[8:]
	}
	for _, b := range gaps {
		low := b & code.Low
		column += int(low)
		if low == code.Skip {
			continue
		}
		if column++; column >= p.t.Columns {
			return
		}
		if column >= 0 {
			p.add(uint32(column) | uint32(b&^code.Low)<<24)
		} else {
			p.next++
		}
	}
}

// flush applies the values of the collected columns.
func (p *rowPatch) flush() {
	t, dst := p.t, p.dst
	columns := p.columns[:p.n&127]
	from := p.next
	switch t.Coding {
	case Float32:
		values := t.Float32s[from:][:len(columns)]
		for j, c := range columns {
			dst[c] = values[j]
		}
	case BFloat16:
		values := t.BFloat16s[from:][:len(columns)]
		for j, c := range columns {
			dst[c] = BFloat16Value(dst[c], values[j])
		}
	case Int8:
		values := t.Int8s[from:][:len(columns)]
		for j, c := range columns {
			dst[c] = StepsValue(dst[c], p.scale, values[j])
		}
	case Int4:
		for j, c := range columns {
			dst[c] = StepsValue(dst[c], p.scale, Nibble(t.Int4s, from+j))
		}
	case Sign:
		if t.Gaps != nil {
			for _, c := range columns {
				up := c&columnSign != 0
				c &^= columnSign
				dst[c] = SignValue(dst[c], p.scale, up)
			}
			break
		}
		for j, c := range columns {
			dst[c] = SignValue(dst[c], p.scale, t.Signs[(from+j)>>3]>>((from+j)&7)&1 == 1)
		}
	}
	p.next += p.n
	p.n = 0
}
