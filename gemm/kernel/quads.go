package kernel

import (
	"math/bits"
	"slices"

	"kenserve/internal/sparse"
)

// The product of activations with a sparse change of a matrix.
//
// Activations come in strips: up to 16 rows, transposed, so that the values of all rows
// for one input are a vector, a line. A kept value of the change is then one load and
// one addition for all rows of the strip. Signs need no multiplication: the positive and
// the negative values of an output have a sum each, and the second is subtracted from
// the first at the end.
//
// The kept values of a panel are grouped in quads, four values of one sum. A kernel adds
// the lines of a quad in registers and then adds them to the sum, which is in memory. An
// output of a sparse matrix keeps few values, so a loop for each output would end where
// the processor cannot predict it; there is one loop over all quads of a panel instead.
//
// A sum takes its values by rising input, four at a time:
//
//	sum += (v0·x0 + v1·x1) + (v2·x2 + v3·x3)
//
// rounded after every operation, so that all levels give the same bits.

const (
	// maxLanes is the largest number of rows of a strip.
	maxLanes = 16
	// stripZeros is the number of lines of zeros with which a strip begins: unused
	// places of a quad are 0.
	stripZeros = 1
	// MaxStripInputs is the largest number of inputs whose lines a place can name.
	MaxStripInputs = 1<<16 - stripZeros
	// Sums is the number of sums of a panel: of each output, and then of the negative
	// values of each output. Values that are no signs use the first half.
	Sums       = 2 * PanelWidth
	quadValues = 4
)

// StripLines returns the number of lines of a strip of k inputs.
func StripLines(k int) int { return stripZeros + k }

// Strip holds transposed rows of activations: [StripLines(k)][Lanes], row-major.
type Strip struct {
	Lanes int // 8 or 16, at least the number of rows
	Lines []float32
}

// Quads are the kept values of a panel, four of one sum at a time.
type Quads struct {
	Places  [][quadValues]uint16  // lines of a strip
	Outputs []uint8               // of each quad: the number of its sum, below Sums
	Values  [][quadValues]float32 // that multiply the lines; nil with signs
	// Begun is the number of quads that are the first ones of their sums; the others
	// come after them.
	Begun int

	slots []uint32 // memory of Read
}

// tileSums returns the number of sums of a tile.
func tileSums(signs bool) int {
	if signs {
		return 2 * tileRows
	}
	return tileRows
}

// MaxQuads returns the largest number of quads for a panel that keeps so many values,
// which are signs or not.
func MaxQuads(kept int, signs bool) int { return kept/quadValues + 2*tileSums(signs) }

// Slice returns the quads from first up to, but not including, end, of which so many
// are the first ones of their sums.
func (q *Quads) Slice(first, end, begun int) Quads {
	s := Quads{Places: q.Places[first:end], Outputs: q.Outputs[first:end], Begun: begun}
	if q.Values != nil {
		s.Values = q.Values[first:end]
	}
	return s
}

// Clip removes the unused memory of the slices.
func (q *Quads) Clip() {
	q.Places, q.Outputs, q.Values = slices.Clip(q.Places), slices.Clip(q.Outputs), slices.Clip(q.Values)
}

// Each calls f for each kept value of an output, 1 or -1 for signs: the positive ones by
// rising input, and then the negative ones.
func (q *Quads) Each(output int, f func(input int, value float32)) {
	for _, sum := range []int{output, output + PanelWidth} {
		for i, p := range q.Places {
			for j, line := range p {
				if int(q.Outputs[i]) != sum || line < stripZeros {
					continue
				}
				value := float32(1)
				if q.Values != nil {
					value = q.Values[i][j]
				} else if sum >= PanelWidth {
					value = -1
				}
				f(int(line)-stripZeros, value)
			}
		}
	}
}

// Read replaces q by the quads of a panel of a tensor, which has been checked and is in
// the order of panels. It uses the memory of q again. base is the panel of the base,
// from which values of the coding Float32 are subtracted. Values of scaled codings are
// in steps of the scale; see ReadScales.
func (q *Quads) Read(t *sparse.Tensor, panel int, base []PanelRow) {
	first, end := t.PanelTiles(panel)
	kept, signs := 0, t.Coding == sparse.Sign
	for i := first; i < end; i++ {
		kept += int(t.Ends[i]) - t.ValueStart(i)
	}
	q.reserve(MaxQuads(kept, signs)+1, !signs) // one more, to which add writes before it is used
	var fillers [2]quadFiller
	next := uint32(0)
	for i := first; i < end; i++ {
		f := &fillers[i-first]
		f.begin(q, int(t.Tiles[i])%2*tileRows, next, signs)
		next = f.next
	}
	q.Begun = int(next)
	for i := first; i < end; i++ {
		f := &fillers[i-first]
		f.next = next
		f.read(t, i, base)
		next = f.next
	}
	q.Places, q.Outputs = q.Places[:next], q.Outputs[:next]
	if q.Values != nil {
		q.Values = q.Values[:next]
	}
}

// reserve makes room for n quads, all empty.
func (q *Quads) reserve(n int, values bool) {
	if cap(q.Places) < n {
		q.Places, q.Outputs = make([][quadValues]uint16, n), make([]uint8, n)
	}
	q.Places, q.Outputs = q.Places[:n], q.Outputs[:n]
	clear(q.Places)
	if !values {
		q.Values = nil // a task of signs after one of values: rare, so the memory need not be kept
		return
	}
	if cap(q.Values) < n {
		q.Values = make([][quadValues]float32, n)
	}
	q.Values = q.Values[:n]
	clear(q.Values)
}

// quadFiller puts the kept values of one tile into quads. Each sum has one quad that is
// not full, and gets the next free one when it is.
type quadFiller struct {
	quads  *Quads
	column int                  // of the panel at which the tile begins
	open   [2 * tileRows]uint32 // of each output, and of its negative values: the slot, 4·quad + place, of the next value
	next   uint32               // the first free quad
}

// begin gives each sum of a tile its first quad, from quad next on.
func (f *quadFiller) begin(q *Quads, column int, next uint32, signs bool) {
	f.quads, f.column, f.next = q, column, next
	for r := range tileSums(signs) {
		f.open[r] = quadValues * f.next
		q.Outputs[f.next] = uint8(r/tileRows*PanelWidth + column + r%tileRows)
		f.next++
	}
}

// read adds the values of stored tile i.
func (f *quadFiller) read(t *sparse.Tensor, i int, base []PanelRow) {
	if t.SignsInGaps() {
		f.gaps(t.TileGaps(i), sparse.SignGaps, nil)
		return
	}
	first, q := t.ValueStart(i), f.quads
	n := int(t.Ends[i]) - first
	if cap(q.slots) < n {
		q.slots = make([]uint32, n)
	}
	slots := q.slots[:n]
	switch {
	case t.Gaps != nil:
		f.gaps(t.TileGaps(i), sparse.PlainGaps, slots)
	case t.Coding == sparse.Sign:
		f.signMasks(t.Mask16[i*t.Columns:(i+1)*t.Columns], t.Signs, first)
		return
	default:
		f.masks(t.Mask16[i*t.Columns:(i+1)*t.Columns], slots)
	}
	q.fill(t, first, slots, base)
}

// gapsPortable adds the places of the values of a tile with gaps, and stores the slot of
// each value. With code SignGaps, signs are in the gaps, and slots is nil.
func (f *quadFiller) gapsPortable(gaps []byte, code sparse.GapCode, slots []uint32) {
	position := uint32(stripZeros * tileRows) // tileRows·line + output
	value := 0
	for _, b := range gaps {
		gap := b & code.Low
		position += uint32(gap)
		if gap == code.Skip {
			continue
		}
		negative := uint32(0)
		if code == sparse.SignGaps {
			negative = 1 - uint32(b>>7)
		}
		slot := f.add(position%tileRows, negative, uint16(position/tileRows))
		position++
		if slots != nil {
			slots[value] = slot
			value++
		}
	}
}

// masks adds the places of the values of a tile with masks, and stores the slot of each
// value.
func (f *quadFiller) masks(masks []uint16, slots []uint32) {
	value := 0
	for k, mask := range masks {
		for ; mask != 0; mask &= mask - 1 {
			slots[value] = f.add(uint32(bits.TrailingZeros16(mask)), 0, uint16(stripZeros+k))
			value++
		}
	}
}

// signMasks adds the places of the signs of a tile with masks. value is the index of the
// first sign.
func (f *quadFiller) signMasks(masks []uint16, signs []byte, value int) {
	for k, mask := range masks {
		for ; mask != 0; mask &= mask - 1 {
			negative := 1 - uint32(signs[value>>3]>>(value&7)&1)
			f.add(uint32(bits.TrailingZeros16(mask)), negative, uint16(stripZeros+k))
			value++
		}
	}
}

// add adds a place for an output of the tile, or for its negative values, and returns
// its slot. A quad is full every fourth time, which processors cannot predict, so there
// is no branch.
func (f *quadFiller) add(output, negative uint32, line uint16) uint32 {
	sum := (output + tileRows*negative) % (2 * tileRows)
	slot := f.open[sum]
	f.quads.Places[slot/quadValues][slot%quadValues] = line
	f.quads.Outputs[f.next] = uint8(output + uint32(f.column) + PanelWidth*negative)
	full := ((slot+1)%quadValues - 1) >> 31 // 1 if the quad is full now
	f.open[sum] = slot + 1 + (quadValues*f.next-(slot+1))&-full
	f.next += full
	return slot
}

// fill stores the values from the first on in slots of quads.
func (q *Quads) fill(t *sparse.Tensor, first int, slots []uint32, base []PanelRow) {
	values := q.Values
	switch t.Coding {
	case sparse.Float32:
		for i, v := range t.Float32s[first:][:len(slots)] {
			s := slots[i]
			quad, place := s/quadValues, s%quadValues
			values[quad][place] = v - base[q.Places[quad][place]-stripZeros][q.Outputs[quad]]
		}
	case sparse.BFloat16:
		for i, v := range t.BFloat16s[first:][:len(slots)] {
			values[slots[i]/quadValues][slots[i]%quadValues] = sparse.BFloat16Value(0, v)
		}
	case sparse.Int8:
		for i, v := range t.Int8s[first:][:len(slots)] {
			values[slots[i]/quadValues][slots[i]%quadValues] = float32(v)
		}
	case sparse.Int4:
		for i, s := range slots {
			values[s/quadValues][s%quadValues] = float32(sparse.Nibble(t.Int4s, first+i))
		}
	}
}

// ReadScales stores the scale of each output of a panel: 1 for codings without scales.
// Outputs without kept values have any scale.
func ReadScales(t *sparse.Tensor, panel int, scales *PanelRow) {
	first, end := t.PanelTiles(panel)
	*scales = PanelRow{}
	for i := first; i < end; i++ {
		tile := scales[t.Tiles[i]%2*tileRows:][:tileRows]
		if len(t.Scales) > 1 {
			copy(tile, t.Scales[i*tileRows:])
			continue
		}
		scale := float32(1)
		if len(t.Scales) == 1 {
			scale = t.Scales[0]
		}
		for r := range tile {
			tile[r] = scale
		}
	}
}

// SumQuads computes the products of a strip with the kept values of a panel, without
// their scales, in sums: [Sums][s.Lanes].
func SumQuads(sums []float32, s Strip, q *Quads) {
	if q.Begun < 2*tileSums(q.Values == nil) { // the panel has no or one tile
		clear(sums[:Sums*s.Lanes])
	}
	sumQuads(sums, s, q)
}

// loadStripPortable is the reference of LoadStrip, from the given input on.
func loadStripPortable(s Strip, a View, from int) {
	clear(s.Lines[:stripZeros*s.Lanes])
	for k := from; k < a.Cols; k++ {
		line := s.Lines[(stripZeros+k)*s.Lanes:][:s.Lanes]
		for l := range line {
			line[l] = a.Data[min(l, a.Rows-1)*a.Stride+k]
		}
	}
}

// sumQuadsPortable computes the products of a strip with quads: the first ones begin
// their sums, and the others are added to them.
func sumQuadsPortable(sums []float32, s Strip, q *Quads) {
	var quad [maxLanes]float32
	for i, p := range q.Places {
		sum := sums[int(q.Outputs[i])*s.Lanes:][:s.Lanes]
		quad := quad[:len(sum)]
		x0, x1 := s.Lines[int(p[0])*s.Lanes:][:len(sum)], s.Lines[int(p[1])*s.Lanes:][:len(sum)]
		x2, x3 := s.Lines[int(p[2])*s.Lanes:][:len(sum)], s.Lines[int(p[3])*s.Lanes:][:len(sum)]
		if q.Values == nil {
			for l := range quad {
				quad[l] = (x0[l] + x1[l]) + (x2[l] + x3[l])
			}
		} else {
			v := &q.Values[i]
			for l := range quad {
				quad[l] = (float32(x0[l]*v[0]) + float32(x1[l]*v[1])) + (float32(x2[l]*v[2]) + float32(x3[l]*v[3]))
			}
		}
		if i < q.Begun {
			copy(sum, quad)
			continue
		}
		for l, v := range quad {
			sum[l] += v
		}
	}
}

// storeSumsPortable is the reference of StoreSums.
func storeSumsPortable(dst View, sums []float32, lanes int, scales, bias *PanelRow, signs bool) {
	for r := range dst.Rows {
		row := (*PanelRow)(dst.Row(r))
		for n := range row {
			sum := sums[n*lanes+r]
			if signs {
				sum -= sums[(PanelWidth+n)*lanes+r]
			}
			row[n] = bias[n] + float32(sum*scales[n])
		}
	}
}
