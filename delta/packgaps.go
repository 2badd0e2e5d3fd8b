package delta

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kenserve/internal/sparse"
)

// In the small layout the gaps of a tensor run through its units one after the
// other, those that keep nothing left out: a unit is a tile in column order, and
// a row in row order. So neither the ends of tiles nor the rows that fine-tuning
// has not touched, a third of an embedding table, take any room among them.

// unitSize returns how many positions a unit has.
func unitSize(m *sparse.Tensor) int {
	if m.RowMajor {
		return m.Columns
	}
	return sparse.TileRows * m.Columns
}

// unitCount returns the number of units of a tensor of so many rows.
func unitCount(m *sparse.Tensor, rows int) int {
	if m.RowMajor {
		return rows
	}
	return (rows + sparse.TileRows - 1) / sparse.TileRows
}

// gaps appends the gaps of a tensor of so many rows: their number, unless all
// is set which units keep something, and the gaps.
func (p *packer) gaps(out []byte, m *sparse.Tensor, rows int) (_ []byte, all bool) {
	units, size := unitCount(m, rows), unitSize(m)
	used := make([]byte, (units+7)/8)
	code := m.Coding.GapCode()
	gaps := make([]byte, 0, len(m.Gaps))
	var signs bitWriter
	passed := -1 // unit of the last position
	before := 0  // positions of earlier units
	last := -1   // the last position
	for t, tile := range m.Tiles {
		m.Each(t, func(i, row, column int) {
			unit, in := int(tile), sparse.TileRows*column+row
			if m.RowMajor {
				unit, in = sparse.TileRows*unit+row, column
			}
			if unit != passed {
				if passed >= 0 {
					before += size
				}
				passed = unit
				used[unit/8] |= 1 << (unit % 8)
			}
			gaps = code.Append(gaps, before+in-last)
			last = before + in
			if m.Coding == Sign {
				signs.put(uint64(m.Gaps[i]>>7), 1)
			}
		})
	}
	out = binary.AppendUvarint(out, uint64(len(gaps)))
	if all = before/size == units-1; !all {
		out = p.stream(out, used)
	}
	out = p.stream(out, gaps)
	if m.Coding == Sign {
		out = binary.AppendUvarint(out, uint64(m.Kept()))
		out = p.stream(out, signs.finish())
	}
	return out, all
}

// span is a run of neighbouring units in a tile that keep something.
type span struct {
	tile  uint32
	end   int // positions of all units up to its end
	shift int // of a position in the tile against that through all units
}

// findSpans lists the spans of a tensor. A nil used means every unit.
func (d *decoder) findSpans(m *sparse.Tensor, used []byte, units int) {
	d.spans = d.spans[:0]
	size, end := unitSize(m), 0
	if !m.RowMajor {
		for u := range units {
			if used == nil || used[u/8]>>(u%8)&1 != 0 {
				d.spans = append(d.spans, span{tile: uint32(u), end: end + size, shift: -end})
				end += size
			}
		}
		return
	}
	for first := 0; first < units; first += sparse.TileRows {
		rows := uint32(1)<<min(sparse.TileRows, units-first) - 1
		if used != nil {
			rows = uint32(used[first/8])
			if first/8+1 < len(used) {
				rows |= uint32(used[first/8+1]) << 8
			}
		}
		for at := 0; rows != 0; {
			skip := bits.TrailingZeros32(rows)
			run := bits.TrailingZeros32(^(rows >> skip))
			d.spans = append(d.spans, span{tile: uint32(first / sparse.TileRows), end: end + run*size, shift: (at+skip)*size - end})
			end += run * size
			at += skip + run
			rows >>= skip + run
		}
	}
}

// gapPositions reads gaps and puts them into tiles.
func (d *decoder) gapPositions(m *sparse.Tensor, rows int, all bool) error {
	n, err := d.number("gap bytes", rows*m.Columns) // each passes over one position at least
	if err != nil {
		return err
	}
	units := unitCount(m, rows)
	var used []byte
	if !all {
		d.used = resize(d.used, (units+7)/8)
		used = d.used
		if err := d.stream(used); err != nil {
			return err
		}
		if units%8 != 0 && used[units/8]>>(units%8) != 0 {
			return fmt.Errorf("%w: gaps beyond %d rows", ErrPacked, rows)
		}
	}
	d.findSpans(m, used, units)
	if len(d.spans) == 0 {
		return fmt.Errorf("%w: gaps of nothing", ErrPacked)
	}
	d.gaps = resize(d.gaps, n)
	if err := d.stream(d.gaps); err != nil {
		return err
	}
	w := tileWriter{code: m.Coding.GapCode(), in: d.gaps, at: -1, most: n}
	if m.Coding == Sign {
		if w.most, err = d.number("signs", n); err != nil {
			return err
		}
		if w.signs, err = d.signBits(w.most); err != nil {
			return err
		}
	}
	if err := d.fillTiles(m, &w); err != nil {
		return err
	}
	return checkRows(m, rows)
}

// signBits reads as many signs as there are kept positions. Behind them are a few
// bytes that mean nothing, so that two can be loaded everywhere.
func (d *decoder) signBits(kept int) ([]byte, error) {
	size := Sign.ValueBytes(kept)
	d.buffer = resize(d.buffer, size+2)
	signs := d.buffer[:size]
	if err := d.stream(signs); err != nil {
		return nil, err
	}
	if kept%8 != 0 && signs[kept/8]>>(kept%8) != 0 {
		return nil, fmt.Errorf("%w: bits after the last one", ErrValue)
	}
	return d.buffer, nil
}

// fillTiles makes the gaps of tiles of those that run through the units.
func (d *decoder) fillTiles(m *sparse.Tensor, w *tileWriter) error {
	tiles := 0
	for i, s := range d.spans {
		if i == 0 || s.tile != d.spans[i-1].tile {
			tiles++
		}
	}
	index := make([]uint32, 3*tiles)
	m.Tiles, m.Ends, m.GapEnds = index[:tiles:tiles], index[tiles:2*tiles:2*tiles], index[2*tiles:]
	// A tile has no more skips than its positions have room for.
	d.where = resize(d.where, len(w.in)+tiles*(sparse.TileRows*m.Columns/int(w.code.Skip)+1))
	w.out = d.where
	for i, t := 0, 0; t < tiles; t++ {
		tile := d.spans[i].tile
		w.last = -1
		for ; i < len(d.spans) && d.spans[i].tile == tile; i++ {
			if err := w.span(&d.spans[i]); err != nil {
				return fmt.Errorf("%w in tile %d", err, tile)
			}
		}
		m.Tiles[t], m.Ends[t], m.GapEnds[t] = tile, uint32(w.kept), uint32(w.o)
	}
	if w.i != len(w.in) {
		return fmt.Errorf("%w: %d gap bytes behind the last unit", ErrPacked, len(w.in)-w.i)
	}
	if w.signs != nil && w.kept != w.most {
		return fmt.Errorf("%w: %d signs for %d positions", ErrPacked, w.most, w.kept)
	}
	m.Gaps = d.where[:w.o]
	return nil
}

// tileWriter is how far gaps have been put into tiles.
type tileWriter struct {
	code sparse.GapCode
	in   []byte // gaps through all units, of which i are read
	i    int
	out  []byte // gaps of tiles, of which o are written
	o    int
	at   int // the last position, through all units
	last int // the last position in the tile that was kept, −1 at its begin
	kept int // positions
	most int // what kept may become

	signs []byte // a bit for each kept position, in the coding sign; else nil
}

// sign returns the next position's sign as the top bit of its gap.
func (w *tileWriter) sign(kept int) byte {
	if w.signs == nil {
		return 0
	}
	return w.signs[kept>>3] >> (kept & 7) << 7
}

// span copies the gaps that end in a span. Only the first one may differ from
// what the tile has.
func (w *tileWriter) span(s *span) error {
	code, in, out := w.code, w.in, w.out
	i, o, at, kept := w.i, w.o, w.at, w.kept
	shift := s.shift
	for {
		if i == len(in) {
			return fmt.Errorf("%w: no more gaps", ErrPacked)
		}
		b := in[i]
		i++
		at += int(b)
		if b == code.Skip {
			continue
		}
		if b > code.Skip {
			return fmt.Errorf("%w: %d", ErrGap, b)
		}
		at++
		break
	}
	if at >= s.end {
		return fmt.Errorf("%w: it keeps nothing", ErrPacked)
	}
	if kept == w.most {
		return fmt.Errorf("%w: more positions than signs, %d", ErrPacked, w.most)
	}
	gap := at + shift - w.last - 1
	for ; gap >= int(code.Skip); gap -= int(code.Skip) {
		out[o] = code.Skip
		o++
	}
	out[o] = byte(gap) | w.sign(kept)
	o++
	kept++
	above := sparse.EachByte * uint64(^code.Low)
	for i+8 <= len(in) && kept+8 <= w.most {
		x := binary.LittleEndian.Uint64(in[i:])
		if x&above != 0 {
			return fmt.Errorf("%w: above %d", ErrGap, code.Skip)
		}
		passed, n, skips := code.Sum8(x)
		if at+passed >= s.end {
			break
		}
		if w.signs != nil {
			eight := uint64(binary.LittleEndian.Uint16(w.signs[kept>>3:])>>(kept&7)) & 0xff
			if w.most == len(in) { // there are no skips, or too many signs, as the end will show
				x |= topBits(eight)
			} else {
				x |= spreadBits(eight, skips)
			}
		}
		binary.LittleEndian.PutUint64(out[o:], x)
		i, o, at, kept = i+8, o+8, at+passed, kept+n
	}
	for i < len(in) {
		b := in[i]
		if b > code.Skip {
			return fmt.Errorf("%w: %d", ErrGap, b)
		}
		next := at + int(b)
		if b != code.Skip {
			next++
		}
		if next >= s.end {
			break
		}
		if b != code.Skip {
			if kept == w.most {
				return fmt.Errorf("%w: more positions than signs, %d", ErrPacked, w.most)
			}
			b |= w.sign(kept)
			kept++
		}
		out[o] = b
		i, o, at = i+1, o+1, next
	}
	for out[o-1] == code.Skip { // it belongs to the next span's first gap
		i, o, at = i-1, o-1, at-int(code.Skip)
	}
	w.i, w.o, w.at, w.kept, w.last = i, o, at, kept, at+shift
	return nil
}

// spreadBits gives the lowest of eight bits to the top bits of the first, second
// … byte whose top bit is not set in skip.
func spreadBits(eight, skip uint64) uint64 {
	keep := ^skip >> 7 & sparse.EachByte
	// The number of the bit that a byte takes, as many as bytes before it keep
	// something: it is at most 7.
	number := keep * sparse.EachByte << 8
	// A one, shifted by that number: 1 or 2, times 1 or 4, times 1 or 16.
	one := sparse.EachByte + number&sparse.EachByte
	one += 3 * (one & (number >> 1 & sparse.EachByte * 0xff))
	one += 15 * (one & (number >> 2 & sparse.EachByte * 0xff))
	return (eight*sparse.EachByte&one + sparse.EachByte*0x7f) & (keep << 7)
}

// topBits gives one of eight bits to the top bit of each byte.
func topBits(eight uint64) uint64 {
	const bitOfByte = 0x8040201008040201 // bit i of byte i
	return (eight*sparse.EachByte&bitOfByte + sparse.EachByte*0x7f) & (sparse.EachByte * 0x80)
}
