package container

import (
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// The parts of a masked tensor beside its values, which are called by their
// coding.
const (
	PartTiles  = "tiles"
	PartRows   = "rows"
	PartMask   = "mask"
	PartGaps   = "gaps"
	PartSteps  = "steps"
	PartScales = "scales"
)

// PartNames lists all parts.
var PartNames = func() []string {
	names := []string{PartTiles, PartRows, PartMask, PartGaps, PartSteps, PartScales}
	for _, c := range sparse.Codings {
		names = append(names, string(c))
	}
	return names
}()

// Part is one tensor of the file that belongs to a masked tensor.
type Part struct {
	Name  string // as in TENSOR#NAME
	DType safetensors.DType
	Shape []int
	Data  []byte
}

// Parts lists what the file holds of the tensor.
func Parts(m *sparse.Tensor) []Part {
	var parts []Part
	add := func(name string, dtype safetensors.DType, data []byte, shape ...int) {
		parts = append(parts, Part{name, dtype, shape, data})
	}
	T := len(m.Tiles)
	if !m.Whole() {
		index := append(append([]uint32(nil), m.Tiles...), m.Ends...)
		rows := 2
		if m.Gaps != nil {
			index, rows = append(index, m.GapEnds...), 3
		}
		name := PartTiles
		if m.RowMajor {
			name = PartRows
		}
		add(name, safetensors.U32, safetensors.Bytes(index), rows, T)
	}
	switch {
	case m.Gaps != nil && m.Coding == sparse.Sign:
		add(PartSteps, safetensors.U8, m.Gaps, len(m.Gaps))
	case m.Gaps != nil:
		add(PartGaps, safetensors.U8, m.Gaps, len(m.Gaps))
	case m.Mask16 != nil:
		add(PartMask, safetensors.U16, safetensors.Bytes(m.Mask16), T, m.Columns)
	case m.Mask8 != nil:
		add(PartMask, safetensors.U8, m.Mask8, T, len(m.Mask8)/T)
	}
	name := string(m.Coding)
	switch {
	case m.Coding == sparse.Float32:
		add(name, safetensors.F32, safetensors.Bytes(m.Float32s), len(m.Float32s))
	case m.Coding == sparse.BFloat16:
		add(name, safetensors.BF16, safetensors.Bytes(m.BFloat16s), len(m.BFloat16s))
	case m.Coding == sparse.Int8:
		add(name, safetensors.I8, safetensors.Bytes(m.Int8s), len(m.Int8s))
	case m.Coding == sparse.Int4:
		add(name, safetensors.U8, m.Int4s, len(m.Int4s))
	case m.Gaps == nil:
		add(name, safetensors.U8, m.Signs, len(m.Signs))
	}
	if n := len(m.Scales); n == 1 {
		add(PartScales, safetensors.F32, safetensors.Bytes(m.Scales), 1)
	} else if n > 1 {
		add(PartScales, safetensors.F32, safetensors.Bytes(m.Scales), n/m.Height, m.Height)
	}
	return parts
}

// PartBytes returns what the parts take.
func PartBytes(m *sparse.Tensor) int64 {
	n := int64(0)
	for _, p := range Parts(m) {
		n += int64(len(p.Data))
	}
	return n
}
