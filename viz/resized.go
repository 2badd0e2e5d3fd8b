package viz

import (
	"slices"

	"kenserve/safetensors"
)

// asBase returns a table that the tuned checkpoint has resized with the base's number of
// rows: rows after the base's last are left out, and rows that the tuned checkpoint lacks
// are the base's. It returns t itself unless the delta says that it has rows rows.
func asBase(t, base *safetensors.Tensor, rows int) (*safetensors.Tensor, error) {
	if rows == 0 || len(base.Shape) != 2 || !slices.Equal(t.Shape, []int{rows, base.Shape[1]}) || !t.DType.Float() {
		return t, nil
	}
	out := *t
	out.Shape = base.Shape
	if rows > base.Shape[0] {
		out.Data = t.Data[:base.Len()*t.DType.Size()]
		return &out, nil
	}
	values := make([]float32, base.Len())
	if err := base.Float32s(values, 0); err != nil {
		return nil, err
	}
	if err := t.Float32s(values[:t.Len()], 0); err != nil {
		return nil, err
	}
	out.DType, out.Data = safetensors.F32, safetensors.Bytes(values)
	return &out, nil
}
