package kernel

import (
	"slices"
	"unsafe"

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
	*q = q.Slice(0, next)
}

// reserve makes room for n quads, all empty.
func (q *Quads) reserve(n int, values bool) {
	if cap(q.Places) < n {
		q.Places, q.Outputs = make([][quadValues]uint16, n), make([]uint8, n)
	}
	q.Places, q.Outputs = q.Places[:n], q.Outputs[:n]
	clear(q.Places)
	if !values {
		q.Values = nil
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
	f := quadFiller{
		places:  unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(q.Places))), quadValues*len(q.Places)),
		outputs: q.Outputs, column: int(t.Tiles[i]) % 2 * tileRows, next: next,
	}
	f.begin()
	switch {
	case t.SignsInGaps():
		f.signGaps(t.TileGaps(i))
	case t.Gaps != nil:
		f.eachGap(t, i, base, q.Values)
	default:
		f.eachMask(t, i, base, q.Values)
	}
	return f.next
}

// quadFiller puts the kept values of one tile into quads. Each output has one quad that
// is not full, and gets the next free one when it is.
type quadFiller struct {
	places  []uint16 // of all quads
	outputs []uint8
	column  int              // of the panel at which the tile begins
	slots   [tileRows]uint32 // of each output: where its next place goes
	next    int              // the first free quad
}

// begin gives each output of the tile its first quad.
func (f *quadFiller) begin() {
	for r := range f.slots {
		f.slots[r] = uint32(quadValues * f.next)
		f.outputs[f.next] = uint8(f.column + r)
		f.next++
	}
}

// add adds a place for an output of the tile and returns its slot.
func (f *quadFiller) add(r int, line uint16) int {
	r &= tileRows - 1
	slot := f.slots[r]
	f.places[slot] = line
	if f.slots[r]++; f.slots[r]%quadValues == 0 {
		f.slots[r] = uint32(quadValues * f.next)
		f.outputs[f.next] = uint8(f.column + r)
		f.next++
	}
	return int(slot)
}

// signGaps is add for all signs of a tile. A quad is full every fourth time, which
// processors cannot predict, so there is no branch.
func (f *quadFiller) signGaps(gaps []byte) {
	places, outputs, column := f.places, f.outputs, uint32(f.column)
	slots := f.slots
	next := uint32(f.next)
	position := uint32(StripZeros / 2 * tileRows) // line·tileRows/2 + output
	for _, b := range gaps {
		gap := uint32(b & sparse.SignGaps.Low)
		position += gap
		if gap == uint32(sparse.SignGaps.Skip) {
			continue
		}
		r := position % tileRows
		slot := slots[r]
		places[slot] = uint16(position/tileRows*2 + 1 - uint32(b>>7))
		position++
		slot++
		outputs[next] = uint8(column + r)
		full := (slot%quadValues - 1) >> 31 // 1 if the quad is full
		slot += (quadValues*next - slot) & -full
		next += full
		slots[r] = slot
	}
	f.slots, f.next = slots, int(next)
}

// eachGap adds the values of a tile with gaps beside values.
func (f *quadFiller) eachGap(t *sparse.Tensor, i int, base []PanelRow, values [][quadValues]float32) {
	value := t.ValueStart(i)
	position := -1
	for _, b := range t.TileGaps(i) {
		position += int(b)
		if b == sparse.PlainGaps.Skip {
			continue
		}
		position++
		f.addValue(t, value, position%tileRows, position/tileRows, base, values)
		value++
	}
}

// eachMask adds the values of a tile with masks.
func (f *quadFiller) eachMask(t *sparse.Tensor, i int, base []PanelRow, values [][quadValues]float32) {
	value := t.ValueStart(i)
	for k, mask := range t.Mask16[i*t.Columns : (i+1)*t.Columns] {
		for r := 0; mask != 0; mask >>= 1 {
			if mask&1 != 0 {
				f.addValue(t, value, r, k, base, values)
				value++
			}
			r++
		}
	}
}

// addValue adds kept value i of the tensor, which is of output r of the tile and input
// k.
func (f *quadFiller) addValue(t *sparse.Tensor, i, r, k int, base []PanelRow, values [][quadValues]float32) {
	line := uint16(StripZeros + 2*k)
	if t.Coding == sparse.Sign {
		f.add(r, line+1-uint16(t.Signs[i>>3]>>(i&7)&1))
		return
	}
	slot := f.add(r, line)
	v := &values[slot/quadValues][slot%quadValues]
	switch t.Coding {
	case sparse.Float32:
		*v = t.Float32s[i] - base[k][f.column+r]
	case sparse.BFloat16:
		*v = sparse.BFloat16Value(0, t.BFloat16s[i])
	case sparse.Int8:
		*v = float32(t.Int8s[i])
	case sparse.Int4:
		*v = float32(sparse.Nibble(t.Int4s, i))
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
