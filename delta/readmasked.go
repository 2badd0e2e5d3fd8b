package delta

import (
	"fmt"

	"kenserve/internal/sparse"
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
	for _, c := range sparse.Codings {
		names = append(names, string(c))
	}
	return names
}()

// readMasked puts the parts of a masked tensor together and checks everything
// that they say about each other.
func readMasked(parts map[string]*safetensors.Tensor, info *Info) (*sparse.Tensor, error) {
	coding, err := readCoding(parts)
	if err != nil {
		return nil, err
	}
	if coding != info.Coding && (coding != info.VectorCoding || info.VectorCoding == "") {
		return nil, fmt.Errorf("%w: %s in a file of %s", ErrCoding, coding, info.Coding)
	}
	t := &sparse.Tensor{Coding: coding, Height: 1, RowMajor: true}
	if err := readPositions(t, parts); err != nil {
		return nil, err
	}
	if err := readValues(t, parts[string(coding)]); err != nil {
		return nil, err
	}
	if err := readScales(t, parts[partScales]); err != nil {
		return nil, err
	}
	return t, t.CheckParts()
}

// readCoding returns the coding that the values' part is called by, and checks
// that parts are together that belong together.
func readCoding(parts map[string]*safetensors.Tensor) (coding Coding, err error) {
	for _, c := range sparse.Codings {
		if parts[string(c)] != nil {
			if coding != "" {
				return "", fmt.Errorf("%w %s beside %s", ErrPart, c, coding)
			}
			coding = c
		}
	}
	if parts[partSteps] != nil {
		if coding != "" {
			return "", fmt.Errorf("%w %s beside %s", ErrPart, partSteps, coding)
		}
		coding = Sign
	}
	if coding == "" {
		return "", fmt.Errorf("%w: no values", ErrPart)
	}
	if (parts[partScales] != nil) != coding.Scaled() {
		return "", fmt.Errorf("%w %s does not go with coding %s", ErrPart, partScales, coding)
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
		return "", fmt.Errorf("%w: %d of %s and %s with %d of %s, %s and %s, want one of each or none", ErrPart,
			indices, partTiles, partRows, positions, partMask, partGaps, partSteps)
	}
	if parts[partGaps] != nil && coding == Sign {
		return "", fmt.Errorf("%w %s does not go with coding %s", ErrPart, partGaps, coding)
	}
	if indices == 0 && coding == Float32 {
		return "", fmt.Errorf("%w: no positions; values in %s without them are a dense tensor", ErrPart, coding)
	}
	return coding, nil
}

// readPositions reads the index of tiles and the positions.
func readPositions(t *sparse.Tensor, parts map[string]*safetensors.Tensor) error {
	index := parts[partTiles]
	if index == nil {
		index = parts[partRows]
	}
	if index == nil {
		return nil
	}
	t.RowMajor = parts[partRows] != nil
	gaps := parts[partGaps]
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
	t.Tiles, t.Ends = all[:T:T], all[T:2*T:2*T]
	if gaps == nil {
		return readMask(t, parts[partMask])
	}
	t.Height, t.GapEnds = sparse.TileRows, all[2*T:]
	t.Gaps, err = vector[byte](gaps, safetensors.U8)
	return err
}

// readMask reads bitmaps. With one row a tile the columns are known to a byte
// only: [sparse.Tensor.Check] settles them.
func readMask(t *sparse.Tensor, mask *safetensors.Tensor) (err error) {
	want := safetensors.U16
	if t.RowMajor {
		want = safetensors.U8
	}
	if mask.DType != want {
		return fmt.Errorf("%w of the mask: %s, want %s", ErrDType, mask.DType, want)
	}
	if len(mask.Shape) != 2 || mask.Shape[0] != len(t.Tiles) || mask.Shape[1] == 0 {
		return fmt.Errorf("%w of the mask: %v for %d tiles", ErrShape, mask.Shape, len(t.Tiles))
	}
	if t.RowMajor {
		t.Columns, t.Mask8 = 8*mask.Shape[1], mask.Data
		return nil
	}
	t.Height, t.Columns = sparse.TileRows, mask.Shape[1]
	t.Mask16, err = safetensors.View[uint16](mask)
	return err
}

// readValues reads the values, if they are not signs among the gaps.
func readValues(t *sparse.Tensor, values *safetensors.Tensor) (err error) {
	if values == nil {
		return nil
	}
	switch t.Coding {
	case Float32:
		t.Float32s, err = vector[float32](values, safetensors.F32)
	case BFloat16:
		t.BFloat16s, err = vector[uint16](values, safetensors.BF16)
	case Int8:
		t.Int8s, err = vector[int8](values, safetensors.I8)
	case Int4:
		t.Int4s, err = vector[byte](values, safetensors.U8)
	case Sign:
		t.Signs, err = vector[byte](values, safetensors.U8)
	}
	return err
}

// readScales reads the scales: one, or one for each row of each stored tile.
func readScales(t *sparse.Tensor, scales *safetensors.Tensor) (err error) {
	if scales == nil {
		return nil
	}
	if scales.DType != safetensors.F32 {
		return fmt.Errorf("%w of the scales: %s, want F32", ErrDType, scales.DType)
	}
	one := len(scales.Shape) == 1 && scales.Shape[0] == 1
	if !one && (len(scales.Shape) != 2 || scales.Shape[1] != t.Height || !t.Whole() && scales.Shape[0] != len(t.Tiles)) {
		return fmt.Errorf("%w of the scales: %v, want [1] or [%d, %d]", ErrShape, scales.Shape, len(t.Tiles), t.Height)
	}
	t.Scales, err = safetensors.View[float32](scales)
	return err
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
