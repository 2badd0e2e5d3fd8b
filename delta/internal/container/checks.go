package container

import (
	"fmt"
	"math"

	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// CheckFinite refuses NaN and infinity in a dense tensor, and the dtype F64.
func CheckFinite(t *safetensors.Tensor) error {
	if t.DType == safetensors.F64 {
		return fmt.Errorf("dense in %s, want F32, F16, BF16 or integers", t.DType)
	}
	if !t.DType.Float() {
		return nil
	}
	if t.DType == safetensors.F32 {
		if values, err := safetensors.View[float32](t); err != nil || !sparse.HasNotFinite(values) {
			return err
		}
	}
	var block [1024]float32
	for from := 0; from < t.Len(); from += len(block) {
		part := block[:min(len(block), t.Len()-from)]
		if err := t.Float32s(part, from); err != nil {
			return err
		}
		if i := firstNotFinite(part); i >= 0 {
			return fmt.Errorf("element %d is %g", from+i, part[i])
		}
	}
	return nil
}

// firstNotFinite returns the index of the first NaN or infinity, or −1.
func firstNotFinite(x []float32) int {
	for i, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return i
		}
	}
	return -1
}

// Vector returns the elements of a part that must have one dimension and the
// given dtype. They alias the part's data where the machine allows it.
func Vector[T safetensors.Number](t *safetensors.Tensor, dtype safetensors.DType) ([]T, error) {
	if t.DType != dtype {
		return nil, fmt.Errorf("%s: %s, want %s", t.Name, t.DType, dtype)
	}
	if len(t.Shape) != 1 {
		return nil, fmt.Errorf("%s: shape %v, want one dimension", t.Name, t.Shape)
	}
	return safetensors.View[T](t)
}
