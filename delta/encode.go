package delta

import (
	"math"
	"slices"

	"kenserve/delta/internal/container"
	"kenserve/internal/sparse"
)

// valuesPerScale is the smallest average number of kept values per row with which
// each row has its own scale. Below it the whole tensor has one, because a scale
// takes 32 bits: scales cost at most half a bit a value. Few kept values are the
// largest changes and have similar magnitudes. A scale for each row would then
// gain 1% to 2% of the energy of the changes (the sum of their squares), and
// keeping more values for the same bytes gains more.
const valuesPerScale = 64

// encode joins the tiles of a tensor in the form that takes the fewest bytes. It
// returns nil if they keep nothing. It empties the tiles on the way, so that memory
// does not hold a tensor twice.
func encode(coding Coding, height, columns int, tiles []Tile) *sparse.Tensor {
	e := encoder{coding: coding, height: height, columns: columns, tiles: tiles}
	e.fitScales()
	canBeWhole := e.canBeWhole()
	t := e.masked(!canBeWhole)
	if t.Kept() == 0 {
		return nil
	}
	if gapsMayBeSmaller(t) {
		if gaps := withGaps(t); container.PartBytes(gaps) < container.PartBytes(t) && len(gaps.Gaps) <= math.MaxUint32 {
			t = gaps
		}
	}
	if canBeWhole {
		if whole := e.whole(); container.PartBytes(whole) <= container.PartBytes(t) {
			t = whole
		}
	}
	return t
}

// encoder turns the tiles of one tensor into its sparse form.
type encoder struct {
	coding  Coding
	height  int
	columns int
	tiles   []Tile
	perRow  bool      // each row has its own scale
	scales  []float32 // [len(tiles), height] if perRow, else one
}

// fitScales sets the scales, for the codings that have them.
func (e *encoder) fitScales() {
	if !e.coding.Scaled() {
		return
	}
	kept, rows := 0, 0
	for i := range e.tiles {
		kept += e.tiles[i].kept
		for _, n := range e.tiles[i].counts {
			if n > 0 {
				rows++
			}
		}
	}
	if e.perRow = kept >= valuesPerScale*rows; !e.perRow {
		all := make([]float32, 0, kept)
		for i := range e.tiles {
			all = append(all, e.tiles[i].values...)
		}
		e.scales = []float32{fitScale(e.coding, all)}
		return
	}
	byRow := make([][]float32, e.height)
	for i := range e.tiles {
		t := &e.tiles[i]
		for r := range byRow {
			byRow[r] = byRow[r][:0]
		}
		n := 0
		t.each(func(r, _ int) {
			byRow[r] = append(byRow[r], t.values[n])
			n++
		})
		for _, changes := range byRow {
			e.scales = append(e.scales, fitScale(e.coding, changes))
		}
	}
}

// scale returns the scale of a row of tile i.
func (e *encoder) scale(i, row int) float32 {
	switch {
	case len(e.scales) == 0:
		return 0
	case !e.perRow:
		return e.scales[0]
	}
	return e.scales[i*e.height+row]
}

// masked returns the tensor with bitmaps. It drops values whose change the coding
// rounds to zero, and tiles that then keep nothing. If release is set it empties
// each tile after use.
func (e *encoder) masked(release bool) *sparse.Tensor {
	m := valueWriter{Tensor: sparse.Tensor{Coding: e.coding, RowMajor: e.height == 1, Height: e.height, Columns: e.columns, Tiles: []uint32{}}}
	if !e.perRow {
		m.Scales = e.scales
	}
	kept, masks16, masks8 := 0, 0, 0
	for i := range e.tiles {
		if t := &e.tiles[i]; t.kept > 0 {
			kept, masks16, masks8 = kept+t.kept, masks16+len(t.mask16), masks8+len(t.mask8)
		}
	}
	m.Mask16, m.Mask8 = slices.Grow(m.Mask16, masks16), slices.Grow(m.Mask8, masks8)
	if e.coding == Float32 {
		m.Float32s = make([]float32, 0, kept)
	}
	for i := range e.tiles {
		t := &e.tiles[i]
		if t.kept == 0 {
			continue
		}
		if e.coding == Float32 { // no value is rounded, so all of them stay
			m.Mask16, m.Mask8 = append(m.Mask16, t.mask16...), append(m.Mask8, t.mask8...)
			m.Float32s = append(m.Float32s, t.values...)
			m.kept += t.kept
			m.Tiles, m.Ends = append(m.Tiles, uint32(t.index)), append(m.Ends, uint32(m.kept))
			if release {
				*t = Tile{index: t.index}
			}
			continue
		}
		before := m.kept
		at16, at8 := len(m.Mask16), len(m.Mask8)
		m.Mask16, m.Mask8 = append(m.Mask16, t.mask16...), append(m.Mask8, t.mask8...)
		n := 0
		t.each(func(r, c int) {
			if !m.put(t.values[n], e.scale(i, r), false) {
				if e.height == 1 {
					m.Mask8[at8+c/8] &^= 1 << (c % 8)
				} else {
					m.Mask16[at16+c] &^= 1 << r
				}
			}
			n++
		})
		if m.kept == before {
			m.Mask16, m.Mask8 = m.Mask16[:at16], m.Mask8[:at8]
			continue
		}
		m.Tiles = append(m.Tiles, uint32(t.index))
		m.Ends = append(m.Ends, uint32(m.kept))
		if e.perRow {
			m.Scales = append(m.Scales, e.scales[i*e.height:(i+1)*e.height]...)
		}
		if release {
			*t = Tile{index: t.index}
		}
	}
	return &m.Tensor
}

// gapsMayBeSmaller reports whether gaps can be smaller than the tensor's bitmaps.
// Gaps take at least a byte a value.
func gapsMayBeSmaller(t *sparse.Tensor) bool {
	return t.Kept() < 2*len(t.Mask16)+len(t.Mask8)+len(t.Signs)+8*len(t.Tiles)
}

// valueWriter is a tensor to which values are appended.
type valueWriter struct {
	sparse.Tensor
	kept int // values so far
}

// put appends a value: x is the tuned value for Float32, and the change from the
// base for the other codings. If the coding rounds the change to zero and keepZero
// is not set, put appends nothing and returns false.
func (m *valueWriter) put(x, scale float32, keepZero bool) bool {
	switch m.Coding {
	case Float32:
		m.Float32s = append(m.Float32s, x)
	case BFloat16:
		v := toBFloat16(x)
		if v<<1 == 0 && !keepZero {
			return false
		}
		m.BFloat16s = append(m.BFloat16s, v)
	case Int8, Int4:
		q := quantize(m.Coding, x, scale)
		if (q == 0 || scale == 0) && !keepZero {
			return false
		}
		if m.Coding == Int8 {
			m.Int8s = append(m.Int8s, q)
			break
		}
		if m.kept%2 == 0 {
			m.Int4s = append(m.Int4s, 0)
		}
		m.Int4s[m.kept/2] |= byte(q) & 15 << (m.kept % 2 * 4)
	case Sign:
		if m.kept%8 == 0 {
			m.Signs = append(m.Signs, 0)
		}
		if x > 0 {
			m.Signs[m.kept/8] |= 1 << (m.kept % 8)
		}
	}
	m.kept++
	return true
}

// withGaps returns a tensor with bitmaps in the form with gaps. The two share
// their values.
func withGaps(t *sparse.Tensor) *sparse.Tensor {
	g := *t
	g.Mask16, g.Mask8, g.Tiles, g.Ends, g.Signs = nil, nil, nil, nil, nil
	g.Height = sparse.TileRows
	perRow := len(t.Scales) > 1
	if perRow {
		g.Scales = nil
	}
	code := t.Coding.GapCode()
	before := -1
	for i, tile := range t.Tiles {
		group, from := tile, 0 // the tile of 16 rows that has this tile, and in it the row where this tile begins
		if t.Height == 1 {
			group, from = tile/sparse.TileRows, int(tile%sparse.TileRows)
		}
		if n := len(g.Tiles); n == 0 || g.Tiles[n-1] != group {
			g.Tiles = append(g.Tiles, group)
			g.Ends = append(g.Ends, 0)
			g.GapEnds = append(g.GapEnds, 0)
			if perRow {
				g.Scales = append(g.Scales, make([]float32, sparse.TileRows)...)
			}
			before = -1
		}
		n := len(g.Tiles) - 1
		t.Each(i, func(value, r, c int) {
			p := c*sparse.TileRows + r
			if t.RowMajor {
				p = (from+r)*t.Columns + c
			}
			g.Gaps = code.Append(g.Gaps, p-before)
			if t.Coding == Sign {
				g.Gaps[len(g.Gaps)-1] |= t.Signs[value>>3] >> (value & 7) & 1 << 7
			}
			before = p
		})
		g.Ends[n] = t.Ends[i]
		g.GapEnds[n] = uint32(len(g.Gaps))
		if perRow {
			copy(g.Scales[n*sparse.TileRows+from:], t.Scales[i*t.Height:(i+1)*t.Height])
		}
	}
	return &g
}

// canBeWhole reports whether the form without positions can hold the tensor: every
// value was selected, and the coding can express those that did not change. Sign
// cannot. For Float32 a dense tensor takes the place of this form.
func (e *encoder) canBeWhole() bool {
	selected, kept, total := 0, 0, 0
	for i := range e.tiles {
		selected += e.tiles[i].selected
		kept += e.tiles[i].kept
		total += e.tiles[i].rows * e.columns
	}
	return e.coding != Float32 && selected == total && (e.coding != Sign || kept == total)
}

// whole returns the tensor in the form without positions.
func (e *encoder) whole() *sparse.Tensor {
	m := valueWriter{Tensor: sparse.Tensor{Coding: e.coding, RowMajor: true, Height: 1, Columns: e.columns}}
	if !e.perRow {
		m.Scales = e.scales
	}
	var dense []float32
	for i := range e.tiles {
		t := &e.tiles[i]
		dense = append(dense[:0], make([]float32, t.rows*e.columns)...)
		n := 0
		t.each(func(r, c int) {
			dense[r*e.columns+c] = t.values[n]
			n++
		})
		for j, x := range dense {
			m.put(x, e.scale(i, j/e.columns), true)
		}
		if e.perRow {
			m.Scales = append(m.Scales, e.scales[i*e.height:][:t.rows]...)
		}
	}
	return &m.Tensor
}
