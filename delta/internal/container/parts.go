package container

import (
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// The names of the parts of a masked tensor. The part with the values has the
// name of their coding.
const (
	PartTiles  = "tiles"
	PartRows   = "rows"
	PartMask   = "mask"
	PartGaps   = "gaps"
	PartSteps  = "steps"
	PartScales = "scales"
	PartShape  = "shape" // of a tensor of the head that is stored in a coding
)

// PartNames lists the names of all parts.
var PartNames = func() []string {
	names := []string{PartTiles, PartRows, PartMask, PartGaps, PartSteps, PartScales, PartShape}
	for _, c := range sparse.Codings {
		names = append(names, string(c))
	}
	return names
}()

// Part is one part of a masked tensor: the tensor TENSOR#Name of the file.
type Part struct {
	Name  string
	DType safetensors.DType
	Shape []int
	Data  []byte
}

// Parts returns the parts that store a tensor in the fast layout, in no order
// that matters.
func Parts(t *sparse.Tensor) []Part {
	var parts []Part
	add := func(name string, dtype safetensors.DType, data []byte, shape ...int) {
		parts = append(parts, Part{name, dtype, shape, data})
	}
	T := len(t.Tiles)
	if !t.Whole() {
		index := append(append([]uint32(nil), t.Tiles...), t.Ends...)
		rows := 2
		if t.Gaps != nil {
			index, rows = append(index, t.GapEnds...), 3
		}
		name := PartTiles
		if t.RowMajor {
			name = PartRows
		}
		add(name, safetensors.U32, safetensors.Bytes(index), rows, T)
	}
	switch {
	case t.Gaps != nil && t.Coding == sparse.Sign:
		add(PartSteps, safetensors.U8, t.Gaps, len(t.Gaps))
	case t.Gaps != nil:
		add(PartGaps, safetensors.U8, t.Gaps, len(t.Gaps))
	case t.Mask16 != nil:
		add(PartMask, safetensors.U16, safetensors.Bytes(t.Mask16), T, t.Columns)
	case t.Mask8 != nil:
		add(PartMask, safetensors.U8, t.Mask8, T, len(t.Mask8)/T)
	}
	name := string(t.Coding)
	switch {
	case t.Coding == sparse.Float32:
		add(name, safetensors.F32, safetensors.Bytes(t.Float32s), len(t.Float32s))
	case t.Coding == sparse.BFloat16:
		add(name, safetensors.BF16, safetensors.Bytes(t.BFloat16s), len(t.BFloat16s))
	case t.Coding == sparse.Int8:
		add(name, safetensors.I8, safetensors.Bytes(t.Int8s), len(t.Int8s))
	case t.Coding == sparse.Int4:
		add(name, safetensors.U8, t.Int4s, len(t.Int4s))
	case t.Gaps == nil:
		add(name, safetensors.U8, t.Signs, len(t.Signs))
	}
	if n := len(t.Scales); n == 1 {
		add(PartScales, safetensors.F32, safetensors.Bytes(t.Scales), 1)
	} else if n > 1 {
		add(PartScales, safetensors.F32, safetensors.Bytes(t.Scales), n/t.Height, t.Height)
	}
	return parts
}

// PartBytes returns the number of bytes of all parts of a tensor.
func PartBytes(t *sparse.Tensor) int64 {
	n := int64(0)
	for _, p := range Parts(t) {
		n += int64(len(p.Data))
	}
	return n
}
