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
// one addition for all rows of the strip. Signs need no multiplication, because a strip
// also has the negative of each line: the place of a kept value names the line of its
// input, or the line after it if the value is negative.
//
// The kept values of a panel are grouped in quads, four values of one output. A kernel
// sums the lines of a quad in registers and adds them to the sums of the output, which
// are in memory. Rows of a sparse matrix keep few values, so a loop for each output
// would end where the processor cannot predict it; there is one loop over all quads of
// a panel instead.
//
// The sum of an output takes its values by rising input, four at a time:
//
//	sum += (v0·x0 + v1·x1) + (v2·x2 + v3·x3)
//
// rounded after every operation, so that all levels give the same bits.

const (
	// maxLanes is the largest number of rows of a strip.
	maxLanes = 16
	// StripZeros is the number of lines of zeros with which a strip begins. Unused
	// places of a quad are 0.
	StripZeros = 2
	// MaxStripInputs is the largest number of inputs whose lines a place can name.
	MaxStripInputs = (1<<16 - StripZeros) / 2
	quadValues     = 4
)

// StripLines returns the number of lines of a strip of k inputs: zeros, and then each
// input's values and their negatives.
func StripLines(k int) int { return StripZeros + 2*k }

// Strip holds transposed rows of activations: [StripLines(k)][Lanes], row-major.
type Strip struct {
	Lanes int // 8 or 16, at least the number of rows
	Lines []float32
}

// Quads are the kept values of a panel, four of one output at a time.
type Quads struct {
	Places  [][quadValues]uint16  // lines of a strip
	Outputs []uint8               // of each quad, below PanelWidth
	Values  [][quadValues]float32 // that multiply the lines; nil with signs

	slots []uint32 // memory of Read
}

// MaxQuads returns the largest number of quads for a panel that keeps so many values.
func MaxQuads(kept int) int { return kept/quadValues + PanelWidth }

// Slice returns the quads from first up to, but not including, end.
func (q *Quads) Slice(first, end int) Quads {
	s := Quads{Places: q.Places[first:end], Outputs: q.Outputs[first:end]}
	if q.Values != nil {
		s.Values = q.Values[first:end]
	}
	return s
}

// Clip removes the unused memory of the slices.
func (q *Quads) Clip() {
	q.Places, q.Outputs, q.Values = slices.Clip(q.Places), slices.Clip(q.Outputs), slices.Clip(q.Values)
}

// Each calls f for each kept value of an output, 1 or -1 for signs, in the order in which
// they are summed.
func (q *Quads) Each(output int, f func(input int, value float32)) {
	for i, p := range q.Places {
		for j, line := range p {
			if int(q.Outputs[i]) != output || line < StripZeros {
				continue
			}
			value := float32(1)
			if q.Values != nil {
				value = q.Values[i][j]
			} else if line%2 == 1 {
				value = -1
			}
			f((int(line)-StripZeros)/2, value)
		}
	}
}

// Read replaces q by the quads of a panel of a tensor, which has been checked and is in
// the order of panels. It uses the memory of q again. base is the panel of the base,
// from which values of the coding Float32 are subtracted. Values of scaled codings are
// in steps of the scale; see ReadScales.
func (q *Quads) Read(t *sparse.Tensor, panel int, base []PanelRow) {
	first, end := t.PanelTiles(panel)
	kept := 0
	for i := first; i < end; i++ {
		kept += int(t.Ends[i]) - t.ValueStart(i)
	}
	q.reserve(MaxQuads(kept), t.Coding != sparse.Sign)
	next := 0
	for i := first; i < end; i++ {
		next = q.readTile(t, i, base, next)
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

// readTile adds the quads of stored tile i from quad next on. It returns the number of
// quads.
func (q *Quads) readTile(t *sparse.Tensor, i int, base []PanelRow, next int) int {
	f := quadFiller{quads: q, column: int(t.Tiles[i]) % 2 * tileRows, next: uint32(next)}
	f.begin()
	if t.SignsInGaps() {
		f.gaps(t.TileGaps(i), sparse.SignGaps, nil)
		return int(f.next)
	}
	first := t.ValueStart(i)
	n := int(t.Ends[i]) - first
	if cap(q.slots) < n {
		q.slots = make([]uint32, n)
	}
	slots := q.slots[:n]
	if t.Gaps != nil {
		f.gaps(t.TileGaps(i), sparse.PlainGaps, slots)
	} else {
		f.masks(t.Mask16[i*t.Columns:(i+1)*t.Columns], slots)
	}
	q.fill(t, first, slots, base)
	return int(f.next)
}

// quadFiller puts the kept values of one tile into quads. Each output has one quad that
// is not full, and gets the next free one when it is.
type quadFiller struct {
	quads  *Quads
	column int              // of the panel at which the tile begins
	open   [tileRows]uint32 // of each output: the slot, 4·quad + place, of its next value
	next   uint32           // the first free quad
}

// begin gives each output of the tile its first quad.
func (f *quadFiller) begin() {
	for r := range f.open {
		f.open[r] = quadValues * f.next
		f.quads.Outputs[f.next] = uint8(f.column + r)
		f.next++
	}
}

// gapsPortable adds the places of the values of a tile with gaps, and stores the slot of
// each value. With code SignGaps, signs are in the gaps, and slots is nil.
func (f *quadFiller) gapsPortable(gaps []byte, code sparse.GapCode, slots []uint32) {
	position := uint32(StripZeros / 2 * tileRows) // tileRows·line/2 + output
	value := 0
	for _, b := range gaps {
		gap := b & code.Low
		position += uint32(gap)
		if gap == code.Skip {
			continue
		}
		line := uint16(position / tileRows * 2)
		if code == sparse.SignGaps {
			line += 1 - uint16(b>>7)
		}
		slot := f.add(position%tileRows, line)
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
		line := uint16(StripZeros + 2*k)
		for ; mask != 0; mask &= mask - 1 {
			slots[value] = f.add(uint32(bits.TrailingZeros16(mask)), line)
			value++
		}
	}
}

// add adds a place for an output of the tile and returns its slot. A quad is full every
// fourth time, which processors cannot predict, so there is no branch.
func (f *quadFiller) add(r uint32, line uint16) uint32 {
	r %= tileRows
	slot := f.open[r]
	f.quads.Places[slot/quadValues][slot%quadValues] = line
	f.quads.Outputs[f.next] = uint8(uint32(f.column) + r)
	full := ((slot+1)%quadValues - 1) >> 31 // 1 if the quad is full now
	f.open[r] = slot + 1 + (quadValues*f.next-(slot+1))&-full
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
			input := (q.Places[quad][place] - StripZeros) / 2
			values[quad][place] = v - base[input][q.Outputs[quad]]
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
	case sparse.Sign:
		for i, s := range slots {
			at := first + i
			q.Places[s/quadValues][s%quadValues] += 1 - uint16(t.Signs[at>>3]>>(at&7)&1)
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
		for r := range tile {
			tile[r] = 1
			if t.Coding.Scaled() {
				tile[r] = t.Scale(i, r)
			}
		}
	}
}

// loadStripPortable is the reference of LoadStrip, from the given input on.
func loadStripPortable(s Strip, a View, from int) {
	clear(s.Lines[:StripZeros*s.Lanes])
	for k := from; k < a.Cols; k++ {
		plus := s.Lines[(StripZeros+2*k)*s.Lanes:][:s.Lanes]
		minus := s.Lines[(StripZeros+2*k+1)*s.Lanes:][:s.Lanes]
		for l := range plus {
			x := a.Data[min(l, a.Rows-1)*a.Stride+k]
			plus[l], minus[l] = x, -x
		}
	}
}

// addQuadsPortable is the reference of AddQuads.
func addQuadsPortable(sums []float32, s Strip, q *Quads) {
	for i, p := range q.Places {
		sum := sums[int(q.Outputs[i])*s.Lanes:][:s.Lanes]
		x0, x1 := s.Lines[int(p[0])*s.Lanes:][:len(sum)], s.Lines[int(p[1])*s.Lanes:][:len(sum)]
		x2, x3 := s.Lines[int(p[2])*s.Lanes:][:len(sum)], s.Lines[int(p[3])*s.Lanes:][:len(sum)]
		if q.Values == nil {
			for l := range sum {
				sum[l] += (x0[l] + x1[l]) + (x2[l] + x3[l])
			}
			continue
		}
		v := &q.Values[i]
		for l := range sum {
			sum[l] += (float32(x0[l]*v[0]) + float32(x1[l]*v[1])) + (float32(x2[l]*v[2]) + float32(x3[l]*v[3]))
		}
	}
}

// storeSumsPortable is the reference of StoreSums.
func storeSumsPortable(dst View, sums []float32, lanes int, scales, bias *PanelRow) {
	for r := range dst.Rows {
		row := (*PanelRow)(dst.Row(r))
		for n := range row {
			row[n] = bias[n] + float32(sums[n*lanes+r]*scales[n])
		}
	}
}
