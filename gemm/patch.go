package gemm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Patch is a sparse change of a Matrix in tile order. A tile is 16 consecutive
// outputs (rows of W): half a panel. In a tile the order is that of the panels,
// by input and then by output, so that a kernel which walks a panel meets the
// values one after the other.
//
// Masks or Gaps hold the positions, and one of Float32s, BFloat16s, Int8s,
// Int4s and Signs the values; with gaps and none of these, the signs are among
// the gaps. A patch is never written to, so its slices may lie in a read-only
// memory map.
type Patch struct {
	// Tiles are the indices of the tiles that change, strictly rising: tile t
	// holds the outputs 16t to 16t+15.
	Tiles []uint32
	// Ends[i] is the number of values in the first i+1 of these tiles.
	Ends []uint32

	// Masks is [len(Tiles)][K]. Bit r of entry k: output 16t+r has a value for
	// input k.
	Masks []uint16
	// Gaps are distances between values: where position 16·k + r stands for
	// input k and row r of the tile, each tile begins before position 0; a byte
	// b < 255 passes over b positions, and the next one has a value; 255 passes
	// over 255. A tile does not end in 255. If the signs are among the gaps, bit
	// 7 of a byte is the value's sign, as in Signs, the gap is in the other
	// seven and 127 takes the place of 255, its bit 7 being 0.
	Gaps []byte
	// GapEnds[i] is the number of bytes of gaps in the first i+1 tiles.
	GapEnds []uint32

	// Float32s replace the base's weights.
	Float32s []float32
	// BFloat16s are added to them.
	BFloat16s []uint16
	// Int8s change them to base + scale·value, the product rounded to float32
	// before it is added.
	Int8s []int8
	// Int4s do the same: values in two's complement, two a byte, the first in
	// the lower half.
	Int4s []byte
	// Signs is a bit stream, least significant bit first: 1 makes a weight
	// base + scale, 0 base - scale.
	Signs []byte
	// Scales, for Int8s, Int4s and signs, is [len(Tiles)][16], one scale an
	// output, or a single one for the matrix. They are finite and not negative.
	Scales []float32
}

// ErrPatch is wrapped by the errors of patches that do not fit their matrix or
// contradict themselves.
var ErrPatch = errors.New("invalid patch")

// signed tells whether the signs are among the gaps.
func (p *Patch) signed() bool {
	return p.Gaps != nil && p.Float32s == nil && p.BFloat16s == nil && p.Int8s == nil && p.Int4s == nil
}

// tiles returns which of the stored tiles, at most two, are a panel's.
func (p *Patch) tiles(panel int) (first, end int) {
	first = 2 * panel // if all tiles before it are stored
	if first >= len(p.Tiles) || int(p.Tiles[first]) != first {
		first, _ = slices.BinarySearch(p.Tiles, uint32(2*panel))
	}
	end = first
	for end < len(p.Tiles) && int(p.Tiles[end])/2 == panel {
		end++
	}
	return first, end
}

// start returns the index of the first value of the i-th stored tile.
func (p *Patch) start(i int) int {
	if i == 0 {
		return 0
	}
	return int(p.Ends[i-1])
}

// gaps returns the gaps of the i-th stored tile.
func (p *Patch) gaps(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = p.GapEnds[i-1]
	}
	return p.Gaps[from:p.GapEnds[i]]
}

// check refuses everything that could make a kernel read or write outside the
// patch's slices or the matrix: the kernels trust the positions.
func (p *Patch) check(m *Matrix) error {
	if len(p.Ends) != len(p.Tiles) {
		return fmt.Errorf("%d tiles with %d ends", len(p.Tiles), len(p.Ends))
	}
	if p.Gaps != nil && p.Masks != nil {
		return errors.New("masks beside gaps")
	}
	if p.Gaps == nil && len(p.Masks) != len(p.Tiles)*m.k {
		return fmt.Errorf("%d tiles of %d inputs with %d masks", len(p.Tiles), m.k, len(p.Masks))
	}
	if p.Gaps != nil && len(p.GapEnds) != len(p.Tiles) {
		return fmt.Errorf("%d tiles with %d ends of gaps", len(p.Tiles), len(p.GapEnds))
	}
	tiles := (m.n + tileRows - 1) / tileRows
	count, gaps := 0, uint32(0)
	for i, t := range p.Tiles {
		if int64(t) >= int64(tiles) {
			return fmt.Errorf("tile %d of a matrix with %d", t, tiles)
		}
		if i > 0 && t <= p.Tiles[i-1] {
			return fmt.Errorf("tile %d after tile %d", t, p.Tiles[i-1])
		}
		rows := min(tileRows, m.n-int(t)*tileRows)
		if p.Gaps == nil {
			n, err := checkMasks(p.Masks[i*m.k:][:m.k], rows)
			if err != nil {
				return fmt.Errorf("tile %d: %w", t, err)
			}
			count += n
		} else {
			end := p.GapEnds[i]
			if end < gaps || int64(end) > int64(len(p.Gaps)) {
				return fmt.Errorf("tile %d: gaps %d to %d of %d", t, gaps, end, len(p.Gaps))
			}
			n, err := checkGaps(p.Gaps[gaps:end], p.signed(), m.k, rows)
			if err != nil {
				return fmt.Errorf("tile %d: %w", t, err)
			}
			count += n
			gaps = end
		}
		if int64(p.Ends[i]) != int64(count) {
			return fmt.Errorf("tile %d: values end at %d, positions at %d", t, p.Ends[i], count)
		}
	}
	if err := p.checkValues(count); err != nil {
		return err
	}
	if (p.Int8s != nil || p.Int4s != nil || p.Signs != nil || p.signed()) &&
		len(p.Scales) != 1 && len(p.Scales) != len(p.Tiles)*tileRows {
		return fmt.Errorf("%d scales for %d tiles", len(p.Scales), len(p.Tiles))
	}
	for i, s := range p.Scales {
		if !(s >= 0 && s <= math.MaxFloat32) {
			return fmt.Errorf("scale %d is %g", i, s)
		}
	}
	return nil
}

// checkMasks returns how many values the masks of a tile with so many rows have.
func checkMasks(masks []uint16, rows int) (int, error) {
	all, count := uint16(0), 0
	for _, mask := range masks {
		all |= mask
		count += bits.OnesCount16(mask)
	}
	if uint32(all)>>rows != 0 {
		return 0, fmt.Errorf("masks of %016b together, the tile has %d outputs", all, rows)
	}
	return count, nil
}

// checkGaps returns how many values the gaps of a tile have.
func checkGaps(gaps []byte, signed bool, k, rows int) (int, error) {
	low, skip := byte(0xff), byte(0xff)
	if signed {
		low, skip = 0x7f, 0x7f
	}
	if n := len(gaps); n > 0 && gaps[n-1]&low == skip {
		return 0, errors.New("gaps end in a skip")
	}
	position, count, rest := -1, 0, gaps
	const each, pairs = 0x0101010101010101, 0x0001000100010001
	// Eight bytes at a time, if it need not be known where each of them leads.
	for ; len(rest) >= 8 && rows == tileRows; rest = rest[8:] {
		x := binary.LittleEndian.Uint64(rest)
		if signed && bytesEqual(x, 0xff) > 0 {
			break // the loop below says what is wrong
		}
		x &= each * uint64(low)
		kept := 8 - bytesEqual(x, skip)
		position += int((x&(pairs*0xff)+x>>8&(pairs*0xff))*pairs>>48) + kept
		count += kept
	}
	for _, b := range rest {
		if signed && b == 0xff {
			return 0, errors.New("a skip with a sign")
		}
		position += int(b & low)
		if b&low == skip {
			continue
		}
		position++
		count++
		if position%tileRows >= rows {
			return 0, fmt.Errorf("gaps lead to row %d of %d", position%tileRows, rows)
		}
	}
	if position >= k*tileRows {
		return 0, fmt.Errorf("gaps lead to input %d of %d", position/tileRows, k)
	}
	return count, nil
}

// bytesEqual returns how many of x's bytes are b.
func bytesEqual(x uint64, b byte) int {
	const each, low7 = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	x ^= each * uint64(b)
	return 8 - bits.OnesCount64((x&low7+low7|x)&^low7) // the top bit of those that are not
}

// checkValues compares the number of values with that of positions.
func (p *Patch) checkValues(count int) error {
	codings := 0
	for _, v := range []struct {
		set  bool
		name string
		n    int // bytes or values there are
		want int
	}{
		{p.Float32s != nil, "float32 values", len(p.Float32s), count},
		{p.BFloat16s != nil, "bfloat16 values", len(p.BFloat16s), count},
		{p.Int8s != nil, "int8 values", len(p.Int8s), count},
		{p.Int4s != nil, "bytes of int4 values", len(p.Int4s), (count + 1) / 2},
		{p.Signs != nil, "bytes of signs", len(p.Signs), (count + 7) / 8},
		{p.signed(), "gaps with signs", len(p.Gaps), 0},
	} {
		if !v.set {
			continue
		}
		codings++
		if v.n < v.want {
			return fmt.Errorf("%d of %d %s", v.n, v.want, v.name)
		}
	}
	if codings > 1 || codings == 0 && count > 0 {
		return fmt.Errorf("%d value codings, want one", codings)
	}
	return nil
}
