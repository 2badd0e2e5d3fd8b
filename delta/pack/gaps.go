package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"kenserve/internal/sparse"
)

// In the small layout the gaps of a tensor run through its units without a break,
// and a unit that keeps nothing is left out. A unit is a tile in column order and a
// row in row order. So the gaps spend no bytes on the ends of tiles, nor on the
// rows that fine-tuning has not changed, a third of an embedding table.

// unitSize returns the number of positions of a unit.
func unitSize(m *sparse.Tensor) int {
	if m.RowMajor {
		return m.Columns
	}
	return sparse.TileRows * m.Columns
}

// unitCount returns the number of units of a tensor with the given number of rows.
func unitCount(m *sparse.Tensor, rows int) int {
	if m.RowMajor {
		return rows
	}
	return (rows + sparse.TileRows - 1) / sparse.TileRows
}

// gaps appends the positions of a tensor with gaps: the number of bytes of gaps,
// which units keep something, and the gaps, with the signs if the coding has them
// there. all reports that every unit keeps something; it then leaves out the units.
func (p *packer) gaps(out []byte, m *sparse.Tensor, rows int) (_ []byte, all bool) {
	units, size := unitCount(m, rows), unitSize(m)
	used := make([]byte, (units+7)/8)
	code := m.Coding.GapCode()
	gaps := make([]byte, 0, len(m.Gaps))
	var signs bitWriter
	current := -1 // unit of the last position
	before := 0   // number of positions of the units before it
	last := -1    // the last position, through all units
	for t, tile := range m.Tiles {
		m.Each(t, func(i, row, column int) {
			unit, in := int(tile), sparse.TileRows*column+row
			if m.RowMajor {
				unit, in = sparse.TileRows*unit+row, column
			}
			if unit != current {
				if current >= 0 {
					before += size
				}
				current = unit
				used[unit/8] |= 1 << (unit % 8)
			}
			gaps = code.Append(gaps, before+in-last)
			last = before + in
			if m.Coding == sparse.Sign {
				signs.put(uint64(m.Gaps[i]>>7), 1)
			}
		})
	}
	out = binary.AppendUvarint(out, uint64(len(gaps)))
	if all = before/size == units-1; !all {
		out = p.stream(out, used)
	}
	out = p.stream(out, gaps)
	if m.Coding == sparse.Sign {
		out = binary.AppendUvarint(out, uint64(m.Kept()))
		out = p.stream(out, signs.finish())
	}
	return out, all
}

// span is a run of adjacent units of one tile that all keep something. Within a
// span, gaps through all units are also gaps in the tile.
type span struct {
	tile  uint32
	end   int // number of positions of all units up to the end of the span
	shift int // a position in the tile minus the same position through all units
}

// findSpans sets spans. used has a bit for each unit; nil means that all of them
// keep something.
func (u *unpacker) findSpans(m *sparse.Tensor, used []byte, units int) {
	u.spans = u.spans[:0]
	size, end := unitSize(m), 0
	if !m.RowMajor {
		for unit := range units {
			if used == nil || used[unit/8]>>(unit%8)&1 != 0 {
				u.spans = append(u.spans, span{tile: uint32(unit), end: end + size, shift: -end})
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
			u.spans = append(u.spans, span{tile: uint32(first / sparse.TileRows), end: end + run*size, shift: (at+skip)*size - end})
			end += run * size
			at += skip + run
			rows >>= skip + run
		}
	}
}

// gapPositions reads the positions of a tensor with gaps. all is the bit packedAll.
func (u *unpacker) gapPositions(m *sparse.Tensor, rows int, all bool) error {
	n, err := u.number("gap bytes", rows*m.Columns) // each byte moves on by a position or more
	if err != nil {
		return err
	}
	units := unitCount(m, rows)
	var used []byte
	if !all {
		u.usedUnits = resize(u.usedUnits, (units+7)/8)
		used = u.usedUnits
		if err := u.stream(used); err != nil {
			return err
		}
		if units%8 != 0 && used[units/8]>>(units%8) != 0 {
			return fmt.Errorf("gaps in a unit after the last, %d", units-1)
		}
	}
	u.findSpans(m, used, units)
	if len(u.spans) == 0 {
		return errors.New("gaps, but no unit has any")
	}
	u.unitGaps = resize(u.unitGaps, n)
	if err := u.stream(u.unitGaps); err != nil {
		return err
	}
	w := tileWriter{code: m.Coding.GapCode(), in: u.unitGaps, at: -1, maxKept: n}
	if m.Coding == sparse.Sign {
		if w.maxKept, err = u.number("signs", n); err != nil {
			return err
		}
		if w.signs, err = u.signBits(w.maxKept); err != nil {
			return err
		}
	}
	if err := u.fillTiles(m, &w); err != nil {
		return err
	}
	return checkRows(m, rows)
}

// signBits reads one sign for each kept position. The result has two more bytes
// with any content, so that 16 bits can be loaded from each of its bytes.
func (u *unpacker) signBits(kept int) ([]byte, error) {
	size := sparse.Sign.ValueBytes(kept)
	u.buffer = resize(u.buffer, size+2)
	signs := u.buffer[:size]
	if err := u.stream(signs); err != nil {
		return nil, err
	}
	if kept%8 != 0 && signs[kept/8]>>(kept%8) != 0 {
		return nil, errors.New("bits after the last sign are not 0")
	}
	return u.buffer, nil
}

// fillTiles splits the gaps that run through all units into the gaps of tiles.
func (u *unpacker) fillTiles(m *sparse.Tensor, w *tileWriter) error {
	tiles := 0
	for i, s := range u.spans {
		if i == 0 || s.tile != u.spans[i-1].tile {
			tiles++
		}
	}
	index := make([]uint32, 3*tiles)
	m.Tiles, m.Ends, m.GapEnds = index[:tiles:tiles], index[tiles:2*tiles:2*tiles], index[2*tiles:]
	// A tile has at most as many skips as fit into its positions.
	u.maskOrGaps = resize(u.maskOrGaps, len(w.in)+tiles*(sparse.TileRows*m.Columns/int(w.code.Skip)+1))
	w.out = u.maskOrGaps
	for i, t := 0, 0; t < tiles; t++ {
		tile := u.spans[i].tile
		w.last = -1
		for ; i < len(u.spans) && u.spans[i].tile == tile; i++ {
			if err := w.span(&u.spans[i]); err != nil {
				return fmt.Errorf("tile %d: %w", tile, err)
			}
		}
		m.Tiles[t], m.Ends[t], m.GapEnds[t] = tile, uint32(w.kept), uint32(w.o)
	}
	if w.i != len(w.in) {
		return fmt.Errorf("%d bytes of gaps after the last unit", len(w.in)-w.i)
	}
	if w.signs != nil && w.kept != w.maxKept {
		return fmt.Errorf("%d signs for %d positions", w.maxKept, w.kept)
	}
	m.Gaps = u.maskOrGaps[:w.o]
	return nil
}

// tileWriter copies gaps that run through all units to gaps of tiles.
type tileWriter struct {
	code    sparse.GapCode
	in      []byte // gaps through all units
	i       int    // bytes of in that are read
	out     []byte // gaps of tiles
	o       int    // bytes of out that are written
	at      int    // the last position, through all units
	last    int    // the last kept position in the tile; −1 at the start of a tile
	kept    int    // number of kept positions so far
	maxKept int    // the largest number that there may be

	signs []byte // one bit for each kept position, for the coding Sign; else nil
}

// sign returns the sign of kept position number kept, as the top bit of a gap.
func (w *tileWriter) sign(kept int) byte {
	if w.signs == nil {
		return 0
	}
	return w.signs[kept>>3] >> (kept & 7) << 7
}

// span copies the gaps that lead into a span. All but the first are the same in
// the tile; the first may have to be computed anew.
func (w *tileWriter) span(s *span) error {
	code, in, out := w.code, w.in, w.out
	i, o, at, kept := w.i, w.o, w.at, w.kept
	shift := s.shift
	for {
		if i == len(in) {
			return errors.New("the gaps end before the last unit")
		}
		b := in[i]
		i++
		at += int(b)
		if b == code.Skip {
			continue
		}
		if b > code.Skip {
			return fmt.Errorf("gap byte %d, at most %d", b, code.Skip)
		}
		at++
		break
	}
	if at >= s.end {
		return errors.New("a unit that should keep something keeps nothing")
	}
	if kept == w.maxKept {
		return fmt.Errorf("more positions than the %d signs", w.maxKept)
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
	for i+8 <= len(in) && kept+8 <= w.maxKept {
		x := binary.LittleEndian.Uint64(in[i:])
		if x&above != 0 {
			return fmt.Errorf("a gap byte above %d", code.Skip)
		}
		passed, n, skips := code.Sum8(x)
		if at+passed >= s.end {
			break
		}
		if w.signs != nil {
			eight := uint64(binary.LittleEndian.Uint16(w.signs[kept>>3:])>>(kept&7)) & 0xff
			if w.maxKept == len(in) { // no skips, or too many signs, which fillTiles refuses
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
			return fmt.Errorf("gap byte %d, at most %d", b, code.Skip)
		}
		next := at + int(b)
		if b != code.Skip {
			next++
		}
		if next >= s.end {
			break
		}
		if b != code.Skip {
			if kept == w.maxKept {
				return fmt.Errorf("more positions than the %d signs", w.maxKept)
			}
			b |= w.sign(kept)
			kept++
		}
		out[o] = b
		i, o, at = i+1, o+1, next
	}
	for out[o-1] == code.Skip { // a skip at the end belongs to the first gap of the next span
		i, o, at = i-1, o-1, at-int(code.Skip)
	}
	w.i, w.o, w.at, w.kept, w.last = i, o, at, kept, at+shift
	return nil
}

// spreadBits moves bit 0, 1, … of eight to the top bit of the first, second, … byte
// whose top bit is not set in skip. The other bits of the result are 0.
func spreadBits(eight, skip uint64) uint64 {
	keep := ^skip >> 7 & sparse.EachByte
	// Each byte of number: how many bytes before it are no skip. That is the index
	// of the bit that the byte gets, at most 7.
	number := keep * sparse.EachByte << 8
	// Each byte of one: 1 shifted left by number, as a product of 1 or 2, 1 or 4,
	// and 1 or 16.
	one := sparse.EachByte + number&sparse.EachByte
	one += 3 * (one & (number >> 1 & sparse.EachByte * 0xff))
	one += 15 * (one & (number >> 2 & sparse.EachByte * 0xff))
	return (eight*sparse.EachByte&one + sparse.EachByte*0x7f) & (keep << 7)
}

// topBits moves bit i of eight to the top bit of byte i. It is spreadBits without
// skips.
func topBits(eight uint64) uint64 {
	const bitOfByte = 0x8040201008040201 // bit i of byte i
	return (eight*sparse.EachByte&bitOfByte + sparse.EachByte*0x7f) & (sparse.EachByte * 0x80)
}
