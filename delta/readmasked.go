package delta

import (
	"fmt"
	"math"
	"math/bits"

	"kenserve/safetensors"
)

// The parts of a masked tensor beside its values, which are called by their
// coding.
const (
	partTiles  = "tiles"
	partRows   = "rows"
	partMask   = "mask"
	partGaps   = "gaps"
	partSteps  = "steps"
	partScales = "scales"
)

// partNames lists all parts.
var partNames = func() []string {
	names := []string{partTiles, partRows, partMask, partGaps, partSteps, partScales}
	for _, c := range codings {
		names = append(names, string(c))
	}
	return names
}()

// readMasked puts the parts of a masked tensor together and checks all that
// they say about each other.
func readMasked(parts map[string]*safetensors.Tensor, info *Info) (*Masked, error) {
	m := &Masked{Height: 1, RowMajor: true}
	if err := m.readCoding(parts); err != nil {
		return nil, err
	}
	if m.Coding != info.Coding && (m.Coding != info.VectorCoding || info.VectorCoding == "") {
		return nil, fmt.Errorf("%w: %s in a file of %s", ErrCoding, m.Coding, info.Coding)
	}
	if err := m.readPositions(parts); err != nil {
		return nil, err
	}
	if err := m.readValues(parts[string(m.Coding)]); err != nil {
		return nil, err
	}
	return m, m.readScales(parts[partScales])
}

// readCoding tells the coding from the values' part, and checks that parts are
// together that belong together.
func (m *Masked) readCoding(parts map[string]*safetensors.Tensor) error {
	for _, c := range codings {
		if parts[string(c)] != nil {
			if m.Coding != "" {
				return fmt.Errorf("%w %s beside %s", ErrPart, c, m.Coding)
			}
			m.Coding = c
		}
	}
	if parts[partSteps] != nil {
		if m.Coding != "" {
			return fmt.Errorf("%w %s beside %s", ErrPart, partSteps, m.Coding)
		}
		m.Coding = Sign
	}
	if m.Coding == "" {
		return fmt.Errorf("%w: no values", ErrPart)
	}
	if (parts[partScales] != nil) != m.Coding.scaled() {
		return fmt.Errorf("%w %s does not go with coding %s", ErrPart, partScales, m.Coding)
	}
	count := func(names ...string) (n int) {
		for _, name := range names {
			if parts[name] != nil {
				n++
			}
		}
		return n
	}
	indices, positions := count(partTiles, partRows), count(partMask, partGaps, partSteps)
	if indices != positions || indices > 1 {
		return fmt.Errorf("%w: %d of %s and %s with %d of %s, %s and %s, want one of each or none", ErrPart,
			indices, partTiles, partRows, positions, partMask, partGaps, partSteps)
	}
	if parts[partGaps] != nil && m.Coding == Sign {
		return fmt.Errorf("%w %s does not go with coding %s", ErrPart, partGaps, m.Coding)
	}
	if indices == 0 && m.Coding == Float32 {
		return fmt.Errorf("%w: no positions; values in %s without them are a dense tensor", ErrPart, m.Coding)
	}
	return nil
}

// readPositions reads the index of tiles and what follows from it.
func (m *Masked) readPositions(parts map[string]*safetensors.Tensor) error {
	index := parts[partTiles]
	if index == nil {
		index = parts[partRows]
	}
	if index == nil {
		return nil
	}
	m.RowMajor = parts[partRows] != nil
	mask, gaps := parts[partMask], parts[partGaps]
	if gaps == nil {
		gaps = parts[partSteps]
	}
	rows := 2
	if gaps != nil {
		rows = 3
	}
	if index.DType != safetensors.U32 {
		return fmt.Errorf("%w of the tiles: %s, want U32", ErrDType, index.DType)
	}
	if len(index.Shape) != 2 || index.Shape[0] != rows || index.Shape[1] == 0 {
		return fmt.Errorf("%w of the tiles: %v, want [%d, T]", ErrShape, index.Shape, rows)
	}
	all, err := safetensors.View[uint32](index)
	if err != nil {
		return err
	}
	T := index.Shape[1]
	m.Tiles, m.Ends = all[:T:T], all[T:2*T:2*T]
	if gaps != nil {
		m.GapEnds = all[2*T:]
		err = m.readGaps(gaps)
	} else {
		err = m.readMask(mask)
	}
	if err != nil {
		return err
	}
	for t := range m.Tiles {
		if t > 0 && m.Tiles[t] <= m.Tiles[t-1] {
			return fmt.Errorf("%w: tile %d after tile %d", ErrOrder, m.Tiles[t], m.Tiles[t-1])
		}
		kept := int(m.Ends[t]) - m.start(t)
		if kept <= 0 {
			return fmt.Errorf("%w: tile %d keeps %d values", ErrOrder, m.Tiles[t], kept)
		}
		counted, err := m.count(t)
		if err != nil {
			return fmt.Errorf("tile %d: %w", m.Tiles[t], err)
		}
		if counted != kept {
			return fmt.Errorf("%w: tile %d keeps %d values, its positions are %d", ErrCount, m.Tiles[t], kept, counted)
		}
	}
	m.kept = int(m.Ends[T-1])
	return nil
}

// readMask reads bitmaps. With one row a tile the columns are known to a byte
// only: Check settles them.
func (m *Masked) readMask(mask *safetensors.Tensor) (err error) {
	want := safetensors.U16
	if m.RowMajor {
		want = safetensors.U8
	}
	if mask.DType != want {
		return fmt.Errorf("%w of the mask: %s, want %s", ErrDType, mask.DType, want)
	}
	if len(mask.Shape) != 2 || mask.Shape[0] != len(m.Tiles) || mask.Shape[1] == 0 {
		return fmt.Errorf("%w of the mask: %v for %d tiles", ErrShape, mask.Shape, len(m.Tiles))
	}
	if m.RowMajor {
		m.Columns, m.Mask8 = 8*mask.Shape[1], mask.Data
		return nil
	}
	m.Height, m.Columns = tileRows, mask.Shape[1]
	m.Mask16, err = safetensors.View[uint16](mask)
	return err
}

// readGaps reads gaps. How far they may reach is known to Check.
func (m *Masked) readGaps(gaps *safetensors.Tensor) (err error) {
	m.Height = tileRows
	if m.Gaps, err = vector[byte](gaps, safetensors.U8); err != nil {
		return err
	}
	before := uint32(0)
	for t, end := range m.GapEnds {
		if end <= before {
			return fmt.Errorf("%w: the gaps of tile %d end at %d, those before at %d", ErrOrder, m.Tiles[t], end, before)
		}
		before = end
	}
	if int64(before) != int64(len(m.Gaps)) {
		return fmt.Errorf("%w: the gaps end at %d of %d bytes", ErrCount, before, len(m.Gaps))
	}
	return nil
}

// count returns the number of positions that stored tile t keeps.
func (m *Masked) count(t int) (int, error) {
	if m.Gaps != nil {
		tile, _ := m.gaps(t)
		kept, last, err := m.Coding.gapCode().scan(tile)
		m.deepest = max(m.deepest, last)
		return kept, err
	}
	return m.countBits(t), nil
}

// countBits returns the number of bits in stored tile t's mask.
func (m *Masked) countBits(t int) int {
	n := 0
	if m.Mask16 != nil {
		for _, mask := range m.Mask16[t*m.Columns : (t+1)*m.Columns] {
			n += bits.OnesCount16(mask)
		}
		return n
	}
	stride := (m.Columns + 7) / 8
	for _, mask := range m.Mask8[t*stride : (t+1)*stride] {
		n += bits.OnesCount8(mask)
	}
	return n
}

// readValues reads the values, and without positions how many there are: for
// the codings with several a byte Check settles it.
func (m *Masked) readValues(values *safetensors.Tensor) (err error) {
	if values == nil { // the signs are among the gaps
		return nil
	}
	var got int
	switch m.Coding {
	case Float32:
		if m.Float32s, err = vector[float32](values, safetensors.F32); err != nil {
			return err
		}
		if i := firstNotFinite(m.Float32s); i >= 0 {
			return fmt.Errorf("%w %d is %g", ErrValue, i, m.Float32s[i])
		}
		got = len(m.Float32s)
	case BFloat16:
		if m.BFloat16s, err = vector[uint16](values, safetensors.BF16); err != nil {
			return err
		}
		for i, v := range m.BFloat16s {
			if v&0x7f80 == 0x7f80 {
				return fmt.Errorf("%w %d is %g", ErrValue, i, bfloat16Value(0, v))
			}
		}
		got = len(m.BFloat16s)
	case Int8:
		if m.Int8s, err = vector[int8](values, safetensors.I8); err != nil {
			return err
		}
		for i, q := range m.Int8s {
			if q == -128 {
				return fmt.Errorf("%w %d is -128", ErrValue, i)
			}
		}
		got = len(m.Int8s)
	case Int4:
		if m.Int4s, err = vector[byte](values, safetensors.U8); err != nil {
			return err
		}
		for i, b := range m.Int4s {
			if b&15 == 8 || b>>4 == 8 {
				return fmt.Errorf("%w %d or %d is -8", ErrValue, 2*i, 2*i+1)
			}
		}
		got = 2 * len(m.Int4s)
	case Sign:
		if m.Signs, err = vector[byte](values, safetensors.U8); err != nil {
			return err
		}
		got = 8 * len(m.Signs)
	}
	if m.Whole() {
		if got == 0 {
			return fmt.Errorf("%w: no values", ErrCount)
		}
		m.kept = got
		return nil
	}
	if want := m.Coding.valueBytes(m.kept) * 8 / m.Coding.bits(); got != want {
		return fmt.Errorf("%w: the tiles keep %d values, the file has %d", ErrCount, m.kept, got)
	}
	return m.checkTail()
}

// checkTail refuses bits behind the last value.
func (m *Masked) checkTail() error {
	if m.Coding == Int4 && m.kept%2 == 1 && m.Int4s[m.kept/2]>>4 != 0 ||
		m.Coding == Sign && m.kept%8 != 0 && m.Signs[m.kept/8]>>(m.kept%8) != 0 {
		return fmt.Errorf("%w: bits after the last one", ErrValue)
	}
	return nil
}

// readScales reads the scales: one, or one for each row of each stored tile.
func (m *Masked) readScales(scales *safetensors.Tensor) (err error) {
	if scales == nil {
		return nil
	}
	if scales.DType != safetensors.F32 {
		return fmt.Errorf("%w of the scales: %s, want F32", ErrDType, scales.DType)
	}
	one := len(scales.Shape) == 1 && scales.Shape[0] == 1
	if !one && (len(scales.Shape) != 2 || scales.Shape[1] != m.Height || !m.Whole() && scales.Shape[0] != len(m.Tiles)) {
		return fmt.Errorf("%w of the scales: %v, want [1] or [%d, %d]", ErrShape, scales.Shape, len(m.Tiles), m.Height)
	}
	if m.Scales, err = safetensors.View[float32](scales); err != nil {
		return err
	}
	for i, s := range m.Scales {
		if !(s >= 0 && s <= math.MaxFloat32) {
			return fmt.Errorf("%w: scale %d is %g", ErrValue, i, s)
		}
	}
	return nil
}

// vector views a part of one dimension.
func vector[T safetensors.Number](t *safetensors.Tensor, dtype safetensors.DType) ([]T, error) {
	if t.DType != dtype {
		return nil, fmt.Errorf("%w of %s: %s, want %s", ErrDType, t.Name, t.DType, dtype)
	}
	if len(t.Shape) != 1 {
		return nil, fmt.Errorf("%w of %s: %v, want one dimension", ErrShape, t.Name, t.Shape)
	}
	return safetensors.View[T](t)
}
