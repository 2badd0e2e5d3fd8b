package delta

import (
	"math"
	"slices"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// valuesPerScale is how many kept values a scale must stand for on average.
// Below it the rows share one for the whole tensor: at 32 bits a scale, half a
// bit a value is the most that scales may cost. With few values kept, those
// are the largest changes and much alike: what a scale for each row would still
// gain is a hundredth of the changes' energy or two, and keeping more values
// for the same bytes gains more.
const valuesPerScale = 64

// encode puts the tiles of a tensor together in the form that takes the fewest
// bytes. It returns nil if they keep nothing. The tiles lose their contents, so
// that memory need not hold a tensor twice.
func encode(coding Coding, height, columns int, tiles []Tile) *sparse.Tensor {
	e := encoder{coding: coding, height: height, columns: columns, tiles: tiles}
	e.fitScales()
	wholly := e.canBeWhole()
	t := e.masked(!wholly)
	if t.Kept() == 0 {
		return nil
	}
	if gapsMayBeSmaller(t) {
		if gaps := withGaps(t); partBytes(gaps) < partBytes(t) && len(gaps.Gaps) <= math.MaxUint32 {
			t = gaps
		}
	}
	if wholly {
		if whole := e.whole(); partBytes(whole) <= partBytes(t) {
			t = whole
		}
	}
	return t
}

// encoder is a tensor on its way from tiles to its sparse form.
type encoder struct {
	coding  Coding
	height  int
	columns int
	tiles   []Tile
	perRow  bool
	scales  []float32 // one, or [len(tiles), height] if perRow
}

// fitScales finds the scales of the codings that have them.
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

// masked returns the tensor with bitmaps. Values whose change comes to no step
// of the coding are dropped, tiles that are left without values too. With
// release set each tile is emptied once it is done with.
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
		if e.coding == Float32 { // every value is its own
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

// gapsMayBeSmaller tells whether gaps, of which every value takes a byte at
// least, can be smaller than the tensor's bitmaps.
func gapsMayBeSmaller(t *sparse.Tensor) bool {
	return t.Kept() < 2*len(t.Mask16)+len(t.Mask8)+len(t.Signs)+8*len(t.Tiles)
}

// valueWriter is a tensor to which values are appended.
type valueWriter struct {
	sparse.Tensor
	kept int
}

// put appends a value, given as the tuned value for f32 and else as the change.
// It returns false, and appends nothing unless zero is set, if the coding makes
// it no change at all.
func (m *valueWriter) put(x, scale float32, zero bool) bool {
	switch m.Coding {
	case Float32:
		m.Float32s = append(m.Float32s, x)
	case BFloat16:
		v := toBFloat16(x)
		if v<<1 == 0 && !zero {
			return false
		}
		m.BFloat16s = append(m.BFloat16s, v)
	case Int8, Int4:
		q := quantize(m.Coding, x, scale)
		if (q == 0 || scale == 0) && !zero {
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

// withGaps returns the tensor, which has bitmaps, with gaps. The two share their
// values.
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
		group, from := tile, 0 // of the tile's first row in the group of 16
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

// canBeWhole tells whether the form without positions can hold the tensor:
// every value was to be kept, and the coding can say of those that did not
// change that they did not. In f32 a dense tensor is the same.
func (e *encoder) canBeWhole() bool {
	selected, kept, total := 0, 0, 0
	for i := range e.tiles {
		selected += e.tiles[i].selected
		kept += e.tiles[i].kept
		total += e.tiles[i].rows * e.columns
	}
	return e.coding != Float32 && selected == total && (e.coding != Sign || kept == total)
}

// whole returns the tensor without positions.
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

// part is one tensor of the file that belongs to a masked one.
type part struct {
	name  string
	dtype safetensors.DType
	shape []int
	data  []byte
}

// parts lists what the file holds of the tensor.
func partsOf(m *sparse.Tensor) []part {
	var parts []part
	add := func(name string, dtype safetensors.DType, data []byte, shape ...int) {
		parts = append(parts, part{name, dtype, shape, data})
	}
	T := len(m.Tiles)
	if !m.Whole() {
		index := append(append([]uint32(nil), m.Tiles...), m.Ends...)
		rows := 2
		if m.Gaps != nil {
			index, rows = append(index, m.GapEnds...), 3
		}
		name := partTiles
		if m.RowMajor {
			name = partRows
		}
		add(name, safetensors.U32, safetensors.Bytes(index), rows, T)
	}
	switch {
	case m.Gaps != nil && m.Coding == Sign:
		add(partSteps, safetensors.U8, m.Gaps, len(m.Gaps))
	case m.Gaps != nil:
		add(partGaps, safetensors.U8, m.Gaps, len(m.Gaps))
	case m.Mask16 != nil:
		add(partMask, safetensors.U16, safetensors.Bytes(m.Mask16), T, m.Columns)
	case m.Mask8 != nil:
		add(partMask, safetensors.U8, m.Mask8, T, len(m.Mask8)/T)
	}
	name := string(m.Coding)
	switch {
	case m.Coding == Float32:
		add(name, safetensors.F32, safetensors.Bytes(m.Float32s), len(m.Float32s))
	case m.Coding == BFloat16:
		add(name, safetensors.BF16, safetensors.Bytes(m.BFloat16s), len(m.BFloat16s))
	case m.Coding == Int8:
		add(name, safetensors.I8, safetensors.Bytes(m.Int8s), len(m.Int8s))
	case m.Coding == Int4:
		add(name, safetensors.U8, m.Int4s, len(m.Int4s))
	case m.Gaps == nil:
		add(name, safetensors.U8, m.Signs, len(m.Signs))
	}
	if n := len(m.Scales); n == 1 {
		add(partScales, safetensors.F32, safetensors.Bytes(m.Scales), 1)
	} else if n > 1 {
		add(partScales, safetensors.F32, safetensors.Bytes(m.Scales), n/m.Height, m.Height)
	}
	return parts
}

// partBytes returns what the parts take.
func partBytes(m *sparse.Tensor) int64 {
	n := int64(0)
	for _, p := range partsOf(m) {
		n += int64(len(p.data))
	}
	return n
}
