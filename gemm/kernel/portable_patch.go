package kernel

import (
	"math"
	"math/bits"

	"kenserve/internal/sparse"
)

// patchRowsPortable is the reference of PatchRows.
func patchRowsPortable(dst, base []PanelRow, tiles *[2]TileCursor) {
	copy(dst, base)
	for i := range tiles {
		if tiles[i].tensor != nil {
			tiles[i].patchPortable(dst)
		}
	}
}

// patchPortable applies the tile's values to the next rows, which hold the base's
// weights.
func (t *TileCursor) patchPortable(rows []PanelRow) {
	if t.gaps != nil {
		t.patchGapsPortable(rows)
	} else {
		t.patchMasksPortable(rows)
	}
}

func (t *TileCursor) patchMasksPortable(rows []PanelRow) {
	p := placements{tile: t, rows: rows}
	p.addMasks(len(rows))
	p.apply()
}

func (t *TileCursor) patchGapsPortable(rows []PanelRow) {
	p := placements{tile: t, rows: rows}
	p.addGaps(len(rows))
	p.apply()
}

// placements collects places of kept values and applies them in batches, so that it
// branches on the coding once for many values.
type placements struct {
	tile *TileCursor
	rows []PanelRow // to which the values are applied

	n  int
	at [64]placement
}

// placement is where a value goes: 32·row + column. The top bit is the value's sign
// if signs are in the gaps.
type placement uint32

const placementSign placement = 1 << 31

func (p *placements) add(at placement) {
	p.at[p.n&63] = at
	if p.n++; p.n == len(p.at) {
		p.apply()
	}
}

// addMasks adds the places that the masks of the next n rows have.
func (p *placements) addMasks(n int) {
	t := p.tile
	for k, mask := range t.masks[:n] {
		for ; mask != 0; mask &= mask - 1 {
			p.add(placement(k*PanelWidth + t.column + bits.TrailingZeros16(mask)))
		}
	}
	t.masks = t.masks[n:]
}

// addGaps adds the places in the next n rows to which gaps lead.
func (p *placements) addGaps(n int) {
	t := p.tile
	code := t.tensor.Coding.GapCode()
	first, end := t.start, t.start+n*tileRows
	used := 0
	for _, gap := range t.gaps {
		position := t.last + int(gap&code.Low)
		if gap&code.Low != code.Skip {
			position++
		}
		if position >= end {
			break
		}
		used++
		t.last = position
		if gap&code.Low != code.Skip {
			at := position - first
			p.add(placement(at/tileRows*PanelWidth+t.column+at%tileRows) | placement(gap&^code.Low)<<24)
		}
	}
	t.gaps = t.gaps[used:]
	t.start = end
}

// weight returns the weight at a place, and its row in the tile.
func (p *placements) weight(at placement) (*float32, int) {
	return &p.rows[at&^placementSign/PanelWidth][at%PanelWidth], int(at % tileRows)
}

// apply applies the values of the collected places.
func (p *placements) apply() {
	t := p.tile
	tensor, from := t.tensor, t.next
	at := p.at[:p.n&127]
	t.next += len(at)
	p.n = 0
	switch {
	case tensor.SignsInGaps():
		for _, a := range at {
			w, row := p.weight(a)
			*w += signed(t.scales[row], uint32(a>>31))
		}
	case tensor.Coding == sparse.Float32:
		for i, v := range tensor.Float32s[from:][:len(at)] {
			w, _ := p.weight(at[i])
			*w = v
		}
	case tensor.Coding == sparse.BFloat16:
		for i, v := range tensor.BFloat16s[from:][:len(at)] {
			w, _ := p.weight(at[i])
			*w = sparse.BFloat16Value(*w, v)
		}
	case tensor.Coding == sparse.Int8:
		for i, v := range tensor.Int8s[from:][:len(at)] {
			w, row := p.weight(at[i])
			*w = sparse.StepsValue(*w, t.scales[row], v)
		}
	case tensor.Coding == sparse.Int4:
		for i, a := range at {
			w, row := p.weight(a)
			*w = sparse.StepsValue(*w, t.scales[row], sparse.Nibble(tensor.Int4s, from+i))
		}
	default:
		for i, a := range at {
			w, row := p.weight(a)
			n := uint(from + i)
			*w += signed(t.scales[row], uint32(tensor.Signs[n>>3]>>(n&7)&1))
		}
	}
}

// signed returns scale if up is 1 and -scale if it is 0, without a branch, which would
// be mispredicted every other time.
func signed(scale float32, up uint32) float32 {
	return math.Float32frombits(math.Float32bits(scale) ^ (up^1)<<31)
}
