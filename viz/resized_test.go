package viz

import (
	"slices"
	"testing"

	"kenserve/safetensors"
)

func TestAsBase(t *testing.T) {
	table := func(values ...float32) *safetensors.Tensor {
		return &safetensors.Tensor{DType: safetensors.F32, Shape: []int{len(values) / 2, 2}, Data: safetensors.Bytes(values)}
	}
	base := table(1, 2, 3, 4)
	for _, c := range []struct {
		name  string
		tuned *safetensors.Tensor
		rows  int
		want  []float32
	}{
		{"the same shape", table(5, 6, 7, 8), 0, []float32{5, 6, 7, 8}},
		{"more rows", table(5, 6, 7, 8, 9, 10), 3, []float32{5, 6, 7, 8}},
		{"fewer rows", table(5, 6), 1, []float32{5, 6, 3, 4}},
		{"other rows than the delta's", table(5, 6), 3, []float32{5, 6}},
	} {
		got, err := asBase(c.tuned, base, c.rows)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float32, got.Len())
		if err := got.Float32s(values, 0); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(values, c.want) || got.Shape[0] != len(c.want)/2 {
			t.Errorf("%s: %v of shape %v, want %v", c.name, values, got.Shape, c.want)
		}
	}
}
