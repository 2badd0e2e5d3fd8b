package delta

import (
	"errors"
	"fmt"

	"kenserve/delta/internal/container"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// readMasked makes a tensor of its parts, which are by name. [checkMasked] checks
// them against each other.
func readMasked(parts map[string]*safetensors.Tensor, info *Info) (*sparse.Tensor, error) {
	coding, err := readCoding(parts)
	if err != nil {
		return nil, err
	}
	if coding != info.Coding && (coding != info.VectorCoding || info.VectorCoding == "") {
		return nil, fmt.Errorf("values in %s, the metadata says %s", coding, info.Coding)
	}
	t := &sparse.Tensor{Coding: coding, Height: 1, RowMajor: true}
	if err := readPositions(t, parts); err != nil {
		return nil, err
	}
	if err := readValues(t, parts[string(coding)]); err != nil {
		return nil, err
	}
	if err := readScales(t, parts[container.PartScales]); err != nil {
		return nil, err
	}
	return t, nil
}

// readCoding returns the coding, which is the name of the part with the values,
// and checks that the tensor has the parts that it must have and no others.
func readCoding(parts map[string]*safetensors.Tensor) (coding Coding, err error) {
	for _, c := range sparse.Codings {
		if parts[string(c)] != nil {
			if coding != "" {
				return "", fmt.Errorf("it has parts of two codings, %s and %s; want one", coding, c)
			}
			coding = c
		}
	}
	if parts[container.PartSteps] != nil {
		if coding != "" {
			return "", fmt.Errorf("it has parts of two codings, %s and %s; want one", coding, container.PartSteps)
		}
		coding = Sign
	}
	if coding == "" {
		return "", errors.New("no part has values")
	}
	switch has := parts[container.PartScales] != nil; {
	case has && !coding.Scaled():
		return "", fmt.Errorf("part %s with coding %s, which has none", container.PartScales, coding)
	case !has && coding.Scaled():
		return "", fmt.Errorf("part %s is missing, coding %s needs it", container.PartScales, coding)
	}
	count := func(names ...string) (n int) {
		for _, name := range names {
			if parts[name] != nil {
				n++
			}
		}
		return n
	}
	indices, positions := count(container.PartTiles, container.PartRows), count(container.PartMask, container.PartGaps, container.PartSteps)
	if indices != positions || indices > 1 {
		return "", fmt.Errorf("%d of the parts %s and %s, and %d of %s, %s and %s, want one of each or none",
			indices, container.PartTiles, container.PartRows, positions, container.PartMask, container.PartGaps, container.PartSteps)
	}
	if parts[container.PartGaps] != nil && coding == Sign {
		return "", fmt.Errorf("part %s with coding %s, want %s", container.PartGaps, coding, container.PartSteps)
	}
	if indices == 0 && coding == Float32 {
		return "", fmt.Errorf("values in %s without positions, want a dense tensor", coding)
	}
	return coding, nil
}

// readPositions reads the index of tiles and the positions.
func readPositions(t *sparse.Tensor, parts map[string]*safetensors.Tensor) error {
	index := parts[container.PartTiles]
	if index == nil {
		index = parts[container.PartRows]
	}
	if index == nil {
		return nil
	}
	t.RowMajor = parts[container.PartRows] != nil
	gaps := parts[container.PartGaps]
	if gaps == nil {
		gaps = parts[container.PartSteps]
	}
	rows := 2
	if gaps != nil {
		rows = 3
	}
	if index.DType != safetensors.U32 {
		return fmt.Errorf("index of tiles: %s, want U32", index.DType)
	}
	if len(index.Shape) != 2 || index.Shape[0] != rows || index.Shape[1] == 0 {
		return fmt.Errorf("index of tiles: shape %v, want [%d, T] with T above 0", index.Shape, rows)
	}
	all, err := safetensors.View[uint32](index)
	if err != nil {
		return err
	}
	T := index.Shape[1]
	t.Tiles, t.Ends = all[:T:T], all[T:2*T:2*T]
	if gaps == nil {
		return readMask(t, parts[container.PartMask])
	}
	t.Height, t.GapEnds = sparse.TileRows, all[2*T:]
	t.Gaps, err = container.Vector[byte](gaps, safetensors.U8)
	return err
}

// readMask reads bitmaps. With one row a tile, the file tells the number of columns
// in bytes only; [sparse.Tensor.Check] settles it.
func readMask(t *sparse.Tensor, mask *safetensors.Tensor) (err error) {
	want := safetensors.U16
	if t.RowMajor {
		want = safetensors.U8
	}
	if mask.DType != want {
		return fmt.Errorf("mask: %s, want %s", mask.DType, want)
	}
	if len(mask.Shape) != 2 || mask.Shape[0] != len(t.Tiles) || mask.Shape[1] == 0 {
		return fmt.Errorf("mask: shape %v for %d tiles, want [%d, width] with width above 0", mask.Shape, len(t.Tiles), len(t.Tiles))
	}
	if t.RowMajor {
		t.Columns, t.Mask8 = 8*mask.Shape[1], mask.Data
		return nil
	}
	t.Height, t.Columns = sparse.TileRows, mask.Shape[1]
	t.Mask16, err = safetensors.View[uint16](mask)
	return err
}

// readValues reads the values. There is no such part if the signs are among the
// gaps.
func readValues(t *sparse.Tensor, values *safetensors.Tensor) (err error) {
	if values == nil {
		return nil
	}
	switch t.Coding {
	case Float32:
		t.Float32s, err = container.Vector[float32](values, safetensors.F32)
	case BFloat16:
		t.BFloat16s, err = container.Vector[uint16](values, safetensors.BF16)
	case Int8:
		t.Int8s, err = container.Vector[int8](values, safetensors.I8)
	case Int4:
		t.Int4s, err = container.Vector[byte](values, safetensors.U8)
	case Sign:
		t.Signs, err = container.Vector[byte](values, safetensors.U8)
	}
	return err
}

// readScales reads the scales: one for the tensor, or one for each row of each
// stored tile.
func readScales(t *sparse.Tensor, scales *safetensors.Tensor) (err error) {
	if scales == nil {
		return nil
	}
	if scales.DType != safetensors.F32 {
		return fmt.Errorf("scales: %s, want F32", scales.DType)
	}
	one := len(scales.Shape) == 1 && scales.Shape[0] == 1
	if !one && (len(scales.Shape) != 2 || scales.Shape[1] != t.Height || !t.Whole() && scales.Shape[0] != len(t.Tiles)) {
		return fmt.Errorf("scales: shape %v, want [1] or [%d, %d]", scales.Shape, len(t.Tiles), t.Height)
	}
	t.Scales, err = safetensors.View[float32](scales)
	return err
}
